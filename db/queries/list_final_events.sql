-- The events that ended from $1 on and before $2 and can be archived, by id; no row: there are none.
SELECT e.event_id
  FROM events AS e
 WHERE e.start_datetime < $2
   AND e.end_datetime >= $1
   AND e.end_datetime < $2
   AND {final}
 ORDER BY e.event_id
