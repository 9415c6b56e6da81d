-- The versions [$2, $3] of an event that an admin made, oldest first, with what they changed; no row: no
-- admin changed it then.
SELECT version, changes
  FROM event_ledger
 WHERE event_id = $1
   AND version >= $2
   AND version <= $3
   AND changes IS NOT NULL
 ORDER BY version
