-- Deletes the changes after the position $1 and up to $2.
DELETE FROM event_changes
 WHERE position > $1
   AND position <= $2
