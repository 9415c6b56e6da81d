-- The last of the first $2 + 1 events from id $1 on; no row: there are at most $2.
SELECT event_id FROM events WHERE event_id >= $1 ORDER BY event_id OFFSET $2 LIMIT 1
