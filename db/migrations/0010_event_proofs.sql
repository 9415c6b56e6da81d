-- Up to which version each event's ledger was replayed and found right, and what it came to there. Only
-- the background check of events against their ledgers reads and writes this; it begins at version 1
-- where a row is missing. `since` is when it last began there.
CREATE TABLE event_proofs (
    event_id uuid PRIMARY KEY,
    version  bigint NOT NULL,
    capacity bigint NOT NULL,
    seats    bigint NOT NULL,
    money    numeric NOT NULL,
    status   text NOT NULL,
    since    timestamptz NOT NULL DEFAULT now()
);
