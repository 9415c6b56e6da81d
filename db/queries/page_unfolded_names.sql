-- Up to $1 events whose name has no folded form; no row: all have one.
SELECT event_id, name
  FROM events
 WHERE name_folded IS NULL
 LIMIT $1
