-- How many events of admin $1 have one of the stored statuses $2 and are ended or not ($3), where
-- these are given; one row always.
SELECT count(*) AS total
  FROM events
 WHERE created_by = $1
   AND ($2::text[] IS NULL OR status = ANY ($2))
   AND ($3::boolean IS NULL OR (end_datetime <= now()) = $3)
