-- How many events of all admins have the stored status $1, if $2 only those that have not ended; one
-- row always.
SELECT count(*) AS total
  FROM events
 WHERE status = $1
   AND (NOT $2 OR end_datetime > now())
   AND start_datetime >= CASE WHEN $2 THEN ({first_on_now}) ELSE '-infinity' END
