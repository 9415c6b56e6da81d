-- Puts the restored holds where they are missing; only of events in the archive $1.
INSERT INTO event_holds
SELECT r.*
  FROM restored_holds AS r
  JOIN archived_ledgers AS a ON a.event_id = r.event_id AND a.archive_id = $1
    ON CONFLICT DO NOTHING
