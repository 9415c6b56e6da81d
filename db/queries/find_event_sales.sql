-- The owner and the sales of an event, as of its version; no row: there is no such event.
SELECT created_by, total_capacity, available_seats, held_seats, held_back_seats, revenue, version,
       archived_version > 0 AS archived
  FROM events
 WHERE event_id = $1
