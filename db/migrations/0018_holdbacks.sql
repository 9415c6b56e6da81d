-- Blocks: seats that a promoter keeps back, for the press or the sponsors.
--
-- Invariants:
--   the seats of an event are free, held, kept back or sold; `events.held_back_seats` is the sum of
--   `events.holdbacks` and is written by the statement that changes these;
--   seats that are kept back do not count for `sold_out`: to the public they are not there. The release
--   before this one takes them for sold: the constraint turns what would follow into a refusal.
-- Constant defaults, so no row is rewritten; constraints are checked for older rows by the next file, which
-- also makes the index. No seat move of free seats writes these columns, so it stays HOT.

ALTER TABLE events
    ADD COLUMN holdbacks jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN held_back_seats integer NOT NULL DEFAULT 0,
    ADD COLUMN next_release_at timestamptz,
    DROP CONSTRAINT events_held_within_capacity,
    ADD CONSTRAINT events_held_within_capacity
        CHECK (held_seats >= 0 AND held_back_seats >= 0
               AND available_seats + held_seats + held_back_seats <= total_capacity) NOT VALID;
COMMENT ON COLUMN events.holdbacks IS
    'Blocks of seats, as [{name, quantity, release_at}]; neither free nor sold.';
COMMENT ON COLUMN events.next_release_at IS
    'When the first block that has seats is freed; null: none is. Seats are freed by what is written then.';

ALTER TABLE event_ledger ADD COLUMN held_back_delta integer NOT NULL DEFAULT 0;

-- What the ledgers proven so far come to: none of them has blocks.
ALTER TABLE event_proofs ADD COLUMN held_back bigint NOT NULL DEFAULT 0;

CREATE TYPE ledger_row_3 AS (
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
    hold text,
    held_back_delta integer
);
