-- The position of the change that is the $3rd after the position $1, counted from 0, if it is before $2; no
-- row: there are not so many.
SELECT position
  FROM event_changes
 WHERE position > $1
   AND position < $2
 ORDER BY position
OFFSET $3
 LIMIT 1
