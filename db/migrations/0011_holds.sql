-- Holds: seats that are kept for a buyer who is paying.
--
-- Invariants:
--   the seats of an event are free, held or sold; `events.held_seats` is the sum of its holds that are
--   stored as `held`, and is moved by the statement that writes these;
--   an event with held seats is not sold out. The release before this one, which knows of no holds, would
--   say so all the same: the constraint turns that into a refusal, never into a seat that is sold twice.
-- Constant defaults, so no row is rewritten; constraints are checked for older rows by the next file,
-- which blocks nobody. No index holds `held_seats`, so a seat move stays HOT.

ALTER TABLE events
    ADD COLUMN held_seats integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT events_status_follows_seats,
    ADD CONSTRAINT events_held_within_capacity
        CHECK (held_seats >= 0 AND available_seats + held_seats <= total_capacity) NOT VALID,
    ADD CONSTRAINT events_status_follows_seats
        CHECK (status NOT IN ('published', 'sold_out')
               OR (status = 'sold_out') = (available_seats = 0 AND held_seats = 0)) NOT VALID;
COMMENT ON COLUMN events.held_seats IS 'Seats in holds; neither free nor sold.';

ALTER TABLE event_ledger
    ADD COLUMN held_delta integer NOT NULL DEFAULT 0,
    ADD COLUMN hold jsonb,
    DROP CONSTRAINT event_ledger_kind_known,
    ADD CONSTRAINT event_ledger_kind_known
        CHECK (kind IN ('created', 'updated', 'published', 'cancelled', 'reserved', 'returned',
                        'held', 'hold_changed', 'confirmed', 'released', 'expired')) NOT VALID;
COMMENT ON COLUMN event_ledger.hold IS
    'The hold as it was answered; for holds that expired, a list of their ids and quantities.';

-- What the ledgers proven so far come to: none of them has holds.
ALTER TABLE event_proofs ADD COLUMN held bigint NOT NULL DEFAULT 0;

-- No foreign key, for the reason the ledger has none. Rows stay: people ask what became of a hold.
CREATE TABLE event_holds (
    event_id   uuid NOT NULL,
    hold_id    uuid NOT NULL,
    quantity   integer NOT NULL,
    unit_price numeric(12, 2) NOT NULL,
    status     text NOT NULL,
    reference  text,
    held_at    timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    closed_at  timestamptz,
    retaken    boolean NOT NULL,
    amount     numeric(24, 2),
    CONSTRAINT event_holds_once PRIMARY KEY (event_id, hold_id),
    CONSTRAINT event_holds_quantity_positive CHECK (quantity >= 1),
    CONSTRAINT event_holds_status_known
        CHECK (status IN ('held', 'confirmed', 'released', 'expired')),
    CONSTRAINT event_holds_closed_unless_held CHECK ((status = 'held') = (closed_at IS NULL)),
    CONSTRAINT event_holds_paid_if_confirmed CHECK ((status = 'confirmed') = (amount IS NOT NULL)),
    CONSTRAINT event_holds_life_bounded
        CHECK (expires_at > held_at AND expires_at <= held_at + interval '7200 s')
) WITH (autovacuum_vacuum_scale_factor = 0.02);
-- What has expired, event by event, and how many seats are held.
CREATE INDEX event_holds_due ON event_holds (event_id, expires_at) INCLUDE (quantity)
    WHERE status = 'held';
-- A list of all of an event's holds reads and sorts them: an index in that order would cost every hold, and
-- every end of one, a seventh of its statement.
CREATE INDEX event_holds_by_reference ON event_holds (event_id, reference)
    WHERE reference IS NOT NULL;
COMMENT ON COLUMN event_holds.status IS
    'What is stored: a hold whose time has passed reads expired before that is written here.';

CREATE TYPE batch_row_2 AS (
    event_id uuid,
    base_version bigint,
    base_fence bigint,
    before_start boolean,
    changes text,
    status text,
    version bigint,
    terms_version bigint,
    fence bigint,
    available_seats_delta integer,
    revenue_delta text,
    held_seats_delta integer
);

CREATE TYPE ledger_row_2 AS (
    event_id uuid,
    version bigint,
    kind text,
    seat_delta integer,
    capacity_delta integer,
    money_delta text,
    available_seats integer,
    status text,
    request_key text,
    request text,
    caller text,
    request_id text,
    changes text,
    held_delta integer,
    hold text
);

CREATE TYPE hold_row_1 AS (
    event_id uuid,
    hold_id uuid,
    quantity integer,
    unit_price text,
    status text,
    reference text,
    held_at timestamptz,
    expires_at timestamptz,
    closed_at timestamptz,
    retaken boolean,
    amount text
);
