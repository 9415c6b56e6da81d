-- When seats are sold, in which currency, and where an event's hours are read.
--
-- Constant defaults, so no row is rewritten; constraints are checked for older rows by the next file, which
-- blocks nobody. No index holds these columns. Events that are there already are sold in the currency that
-- the service is set to (EVENTLY_CURRENCY), which `evently migrate` tells the session.

ALTER TABLE events
    ADD COLUMN sales_start timestamptz,
    ADD COLUMN sales_end timestamptz,
    ADD COLUMN paused boolean NOT NULL DEFAULT false,
    -- 0 until this release writes the row: the last version that an admin made is not known then.
    ADD COLUMN edited_version bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT events_sales_end_after_start CHECK (sales_end > sales_start) NOT VALID,
    ADD CONSTRAINT events_sales_within_event CHECK (sales_end <= end_datetime) NOT VALID,
    ADD CONSTRAINT events_edited_version_known
        CHECK (edited_version BETWEEN 0 AND version) NOT VALID;
DO $$
BEGIN
    EXECUTE format('ALTER TABLE events ADD COLUMN currency text NOT NULL DEFAULT %L',
                   coalesce(nullif(current_setting('evently.currency', true), ''), 'USD'));
END;
$$;
ALTER TABLE events
    ADD CONSTRAINT events_currency_code CHECK (currency ~ '^[A-Z]{3}$') NOT VALID;
COMMENT ON COLUMN events.sales_start IS 'Seats are sold from then on; null: as soon as it is published.';
COMMENT ON COLUMN events.sales_end IS 'Seats are sold until then; null: until start_datetime.';
COMMENT ON COLUMN events.edited_version IS 'The last version that an admin made; 0: not known.';

ALTER TABLE venues ADD COLUMN timezone text;
COMMENT ON COLUMN venues.timezone IS 'An IANA name such as Europe/Rome; null: UTC.';

CREATE TYPE batch_row_3 AS (
    event_id uuid,
    base_version bigint,
    base_fence bigint,
    sells boolean,
    amends boolean,
    schedules boolean,
    changes text,
    status text,
    version bigint,
    terms_version bigint,
    fence bigint,
    edited_version bigint,
    available_seats_delta integer,
    revenue_delta text,
    held_seats_delta integer
);
