-- The number of events of all admins with one of the stored statuses $1, ended or not ($2), if these
-- are given; always one row.
SELECT count(*) AS total
  FROM events
 WHERE ($1::text[] IS NULL OR status = ANY ($1))
   AND ($2::boolean IS NULL OR (end_datetime <= now()) = $2)
