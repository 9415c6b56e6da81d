-- The event at venue $1 that needs the most seats, of those neither cancelled nor over; no row:
-- there is none.
SELECT event_id, total_capacity
  FROM events
 WHERE venue_id = $1
   AND status <> 'cancelled'
   AND end_datetime > now()
 ORDER BY total_capacity DESC, event_id
 LIMIT 1
