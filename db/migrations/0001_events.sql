-- Venues, events, and the ledger that holds one row for every version an event has had.
--
-- Invariants that the schema itself keeps:
--   0 <= available_seats <= total_capacity, version >= 1, status follows the seats;
--   a version of an event exists once (primary key), a request key acts once (unique).
-- No constraint compares with the clock: a row that was right must stay updatable for ever.
-- No index holds available_seats, version or updated_at, so that a seat move is a HOT update;
-- fillfactor leaves the room on the page that such an update needs.

CREATE TABLE venues (
    venue_id      uuid PRIMARY KEY,
    name          text NOT NULL,
    address       text NOT NULL,
    city          text NOT NULL,
    state         text,
    country       text NOT NULL,
    postal_code   text,
    capacity      integer NOT NULL,
    layout_config jsonb,
    created_by    uuid NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT venues_capacity_positive CHECK (capacity >= 1)
);
CREATE INDEX venues_by_name ON venues (name, venue_id);
CREATE INDEX venues_by_city ON venues (lower(city), name, venue_id);

CREATE TABLE events (
    event_id                uuid PRIMARY KEY,
    name                    text NOT NULL,
    description             text NOT NULL,
    venue_id                uuid NOT NULL,
    event_type              text NOT NULL,
    start_datetime          timestamptz NOT NULL,
    end_datetime            timestamptz NOT NULL,
    total_capacity          integer NOT NULL,
    available_seats         integer NOT NULL,
    base_price              numeric(12, 2) NOT NULL,
    max_tickets_per_booking integer NOT NULL,
    status                  text NOT NULL,
    version                 bigint NOT NULL,
    terms_version           bigint NOT NULL,
    revenue                 numeric(24, 2) NOT NULL DEFAULT 0,
    created_by              uuid NOT NULL,
    created_at              timestamptz NOT NULL DEFAULT now(),
    updated_at              timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_venue_exists FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT events_seats_within_capacity
        CHECK (available_seats >= 0 AND available_seats <= total_capacity),
    CONSTRAINT events_capacity_positive CHECK (total_capacity >= 1),
    CONSTRAINT events_version_positive CHECK (version >= 1 AND terms_version BETWEEN 1 AND version),
    CONSTRAINT events_price_not_negative CHECK (base_price >= 0 AND base_price < 'Infinity'),
    CONSTRAINT events_revenue_not_negative CHECK (revenue >= 0 AND revenue < 'Infinity'),
    CONSTRAINT events_limit_positive CHECK (max_tickets_per_booking >= 1),
    CONSTRAINT events_end_after_start CHECK (end_datetime > start_datetime),
    CONSTRAINT events_status_known
        CHECK (status IN ('draft', 'published', 'sold_out', 'cancelled')),
    CONSTRAINT events_status_follows_seats
        CHECK (status NOT IN ('published', 'sold_out') OR (status = 'sold_out') = (available_seats = 0))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
-- The lists walk these in their order and read nothing else until they know their page, so each
-- holds what its list filters by. `completed` is told by the clock and never stored: what is on
-- now is found by its range, and what is to come starts after it, however long the past grows.
CREATE INDEX events_on_sale ON events (start_datetime, event_id)
    INCLUDE (end_datetime)
    WHERE status IN ('published', 'sold_out');
CREATE INDEX events_on_sale_by_type ON events (lower(event_type), start_datetime, event_id)
    INCLUDE (end_datetime, event_type)
    WHERE status IN ('published', 'sold_out');
CREATE INDEX events_on_sale_at ON events USING gist (tstzrange(start_datetime, end_datetime))
    WHERE status IN ('published', 'sold_out');
CREATE INDEX events_by_venue ON events (venue_id, start_datetime, event_id)
    INCLUDE (end_datetime, status, event_type);
CREATE INDEX events_by_owner ON events (created_by, start_datetime, event_id)
    INCLUDE (end_datetime, status);
CREATE INDEX events_by_start ON events (start_datetime, event_id)
    INCLUDE (end_datetime, status);

-- Append-only. It has no foreign key to events: every row is written by the statement that
-- moves its event, and a key check would take a lock on the hottest row there is.
CREATE TABLE event_ledger (
    event_id        uuid NOT NULL,
    version         bigint NOT NULL,
    kind            text NOT NULL,
    seat_delta      integer NOT NULL,
    capacity_delta  integer NOT NULL,
    money_delta     numeric(24, 2) NOT NULL,
    available_seats integer NOT NULL,
    status          text NOT NULL,
    request_key     text NOT NULL,
    request         text NOT NULL,
    caller          text NOT NULL,
    request_id      text NOT NULL,
    changes         jsonb,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_ledger_version_once PRIMARY KEY (event_id, version),
    CONSTRAINT event_ledger_key_once UNIQUE (event_id, request_key),
    CONSTRAINT event_ledger_version_positive CHECK (version >= 1),
    CONSTRAINT event_ledger_seats_not_negative CHECK (available_seats >= 0),
    CONSTRAINT event_ledger_kind_known
        CHECK (kind IN ('created', 'updated', 'published', 'cancelled', 'reserved', 'returned'))
);
COMMENT ON COLUMN event_ledger.request IS
    'What was asked, in canonical form: the same key with another request is refused.';
COMMENT ON COLUMN event_ledger.status IS
    'The status that was answered; completed where the clock had passed the end.';
