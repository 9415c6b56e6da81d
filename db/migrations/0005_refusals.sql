-- Refusals that are final are committed, as everything else is.
--
-- Invariants:
--   a refusal of a request with its caller's key moves its event's `fence`, in the transaction that
--   writes it down, and a batch is applied only on the fence that it was decided on. So whatever is
--   still on its way under that key is decided again, and finds the refusal;
--   a key belongs to its caller: two callers may use the same one for an event, and each acts once.

-- Not indexed, so a refusal's update stays HOT; a constant default, so this rewrites no row.
ALTER TABLE events ADD COLUMN fence bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN events.fence IS
    'Counts the batches that refused a request with its caller''s key; no part of the version.';

-- No foreign key, for the reason the ledger has none. Rows are deleted after an hour.
CREATE TABLE event_refusals (
    event_id    uuid NOT NULL,
    request_key text NOT NULL,
    caller      text NOT NULL,
    request     text NOT NULL,
    refusal     jsonb NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_refusals_key_once PRIMARY KEY (event_id, request_key, caller)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX event_refusals_by_time ON event_refusals (refused_at);
COMMENT ON COLUMN event_refusals.refusal IS 'What was answered: its kind, and its details.';

-- On a large ledger this takes a minute, in which nothing is sold: docs/operations.md has the
-- statement that makes the index beforehand, beside the running service.
CREATE UNIQUE INDEX IF NOT EXISTS event_ledger_key_of_caller
    ON event_ledger (event_id, request_key, caller);
ALTER TABLE event_ledger
    DROP CONSTRAINT event_ledger_key_once,
    ADD CONSTRAINT event_ledger_key_once UNIQUE USING INDEX event_ledger_key_of_caller;
