-- The changes after the position $1 and up to $2, as they are written out.
SELECT *
  FROM event_changes
 WHERE position > $1::bigint
   AND position <= $2::bigint
 ORDER BY position, event_id, version
