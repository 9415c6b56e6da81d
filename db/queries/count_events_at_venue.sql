-- How many events, of whatever status and time, name the venue; one row always.
SELECT count(*) AS total
  FROM events
 WHERE venue_id = $1
