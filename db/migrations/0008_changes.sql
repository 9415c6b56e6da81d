-- The feed of changes: what happened to events that others act upon, in the order in which it was committed.
--
-- Invariants:
--   a change is written by the statement that commits its version, so neither exists without the other;
--   `position` rises with the transaction, not with the clock or a sequence: nothing can be committed any
--   more below the oldest transaction that is still open, so what was read below it was complete;
--   transaction ids start anew in a copy of the database, and some come twice after a failover that lost
--   them; so `era` counts the histories of the server that the database has been on, and comes first in
--   the position.

CREATE TABLE change_feed (
    feed_id  uuid NOT NULL DEFAULT gen_random_uuid(),
    era      integer NOT NULL DEFAULT 0,
    cluster  bigint,
    timeline integer,
    is_only  boolean PRIMARY KEY DEFAULT true CHECK (is_only)
);
COMMENT ON COLUMN change_feed.feed_id IS 'Names the feed in its cursors; a restored copy keeps it.';
COMMENT ON COLUMN change_feed.cluster IS 'With `timeline`, the history that `era` is counted for.';
INSERT INTO change_feed DEFAULT VALUES;

-- A table of its own, because an index on the ledger would be built from all of it, and be looked at by
-- every sale. It has no foreign key for the reason that the ledger has none.
CREATE TABLE event_changes (
    position        bigint NOT NULL,
    event_id        uuid NOT NULL,
    version         bigint NOT NULL,
    kinds           text[] NOT NULL,
    data            jsonb NOT NULL,
    available_seats integer NOT NULL,
    status          text NOT NULL,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_changes_in_order PRIMARY KEY (position, event_id, version)
);

CREATE TYPE change_row_1 AS (
    event_id uuid,
    version bigint,
    kinds text,
    data text,
    available_seats integer,
    status text
);
