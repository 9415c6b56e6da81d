-- Counts the events at a venue, whatever their status and time; always one row.
SELECT count(*) AS total
  FROM events
 WHERE venue_id = $1
