-- The hold $2 of event $1, with the database's time; no row: the event has no such hold.
SELECT *, now() AS clock
  FROM event_holds
 WHERE event_id = $1
   AND hold_id = $2
