-- An event's owner and what it has sold, as of its version; no row: there is no such event.
SELECT created_by, total_capacity, available_seats, revenue, version
  FROM events
 WHERE event_id = $1
