-- Lets those of the events $2 change again that are in the archive $1 and whose ledger and holds are whole. A
-- row for each of them; no row: none is. A key that the ledger knows again is no longer refused.
WITH whole AS MATERIALIZED (
    SELECT a.event_id
      FROM archived_ledgers AS a
     WHERE a.archive_id = $1
       AND a.event_id = ANY ($2::uuid[])
       AND a.version = (SELECT count(*) FROM event_ledger WHERE event_id = a.event_id)
       AND a.holds_confirmed + a.holds_released + a.holds_expired
           = (SELECT count(*) FROM event_holds WHERE event_id = a.event_id)
),
forgotten AS (
    DELETE FROM archived_ledgers USING whole WHERE archived_ledgers.event_id = whole.event_id
),
known AS (
    DELETE FROM event_refusals AS r
     USING whole, event_ledger AS l
     WHERE r.event_id = whole.event_id
       AND (l.event_id, l.request_key, l.caller) = (r.event_id, r.request_key, r.caller)
)
UPDATE events AS e
   SET archived_version = 0,
       fence = e.fence + 1
  FROM whole
 WHERE e.event_id = whole.event_id
RETURNING e.event_id
