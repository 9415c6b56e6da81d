-- The last of the first $2 + 1 events from $1 on; no row: there are no more than $2.
SELECT event_id FROM events WHERE event_id >= $1 ORDER BY event_id OFFSET $2 LIMIT 1
