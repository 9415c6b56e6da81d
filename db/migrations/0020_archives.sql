-- What is archived: the ledgers of events that are over, written out by `evently archive` and deleted here.
--
-- Invariants:
--   an event is sealed before its ledger is written out: `archived_version` is its last version, and the
--   constraint keeps it at that, whoever writes, also the release before this one;
--   nothing is deleted of an archive before its files are written and checked (`written_at`);
--   what a sealed ledger comes to stays in `archived_ledgers`, whether its rows are still there or not.
-- Constant defaults, so no row is rewritten. No index holds `archived_version`, so a seat move stays HOT.

ALTER TABLE events
    ADD COLUMN archived_version bigint NOT NULL DEFAULT 0,
    -- Every row that is there has 0, so there is nothing to validate.
    ADD CONSTRAINT events_archived_never_change
        CHECK (archived_version = 0 OR archived_version = version) NOT VALID;
COMMENT ON COLUMN events.archived_version IS 'The version it was archived at; 0: it is not archived.';

-- One for each run over a month: events that end up final later come into another of the same month.
CREATE TABLE archives (
    archive_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    month      date NOT NULL,
    name       text NOT NULL UNIQUE,
    begun_at   timestamptz NOT NULL DEFAULT now(),
    written_at timestamptz,
    emptied_at timestamptz,
    CONSTRAINT archives_month_first CHECK (extract(day FROM month) = 1),
    CONSTRAINT archives_emptied_once_written CHECK (emptied_at IS NULL OR written_at IS NOT NULL)
);
COMMENT ON COLUMN archives.name IS 'Its folder: the month, and a number from the second one on.';

-- No foreign key to events, for the reason the ledger has none.
CREATE TABLE archived_ledgers (
    event_id        uuid PRIMARY KEY,
    archive_id      uuid NOT NULL REFERENCES archives,
    version         bigint NOT NULL,
    capacity        bigint NOT NULL,
    seats           bigint NOT NULL,
    held            bigint NOT NULL,
    held_back       bigint NOT NULL,
    money           numeric NOT NULL,
    status          text NOT NULL,
    holds_confirmed bigint NOT NULL,
    holds_released  bigint NOT NULL,
    holds_expired   bigint NOT NULL,
    holds_retaken   bigint NOT NULL
);
CREATE INDEX archived_ledgers_by_archive ON archived_ledgers (archive_id, event_id);
COMMENT ON COLUMN archived_ledgers.status IS 'As event_proofs, from which a replay goes on, has it.';

-- Changes below this position were archived: a reader that stands there has missed some.
ALTER TABLE change_feed ADD COLUMN begins_at bigint NOT NULL DEFAULT 0;
