-- The versions [$2, $3] of an event that changed what an admin says of it, oldest first, with what they
-- changed: those of admins, and those that took seats from a block or freed one. No row: there is none.
SELECT version, changes
  FROM event_ledger
 WHERE event_id = $1
   AND version >= $2
   AND version <= $3
   AND changes IS NOT NULL
 ORDER BY version
