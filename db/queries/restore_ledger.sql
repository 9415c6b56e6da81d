-- Puts the restored rows of the ledger into it where they are missing; only of events in the archive $1.
INSERT INTO event_ledger
SELECT r.*
  FROM restored_ledger AS r
  JOIN archived_ledgers AS a ON a.event_id = r.event_id AND a.archive_id = $1
    ON CONFLICT DO NOTHING
