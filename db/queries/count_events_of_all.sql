-- How many events of all admins have one of the stored statuses $1 and are ended or not ($2), where
-- these are given; one row always.
SELECT count(*) AS total
  FROM events
 WHERE ($1::text[] IS NULL OR status = ANY ($1))
   AND ($2::boolean IS NULL OR (end_datetime <= now()) = $2)
