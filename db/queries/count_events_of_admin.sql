-- The number of events of admin $1 with one of the stored statuses $2, ended or not ($3), if these
-- are given; always one row.
SELECT count(*) AS total
  FROM events
 WHERE created_by = $1
   AND ($2::text[] IS NULL OR status = ANY ($2))
   AND ($3::boolean IS NULL OR (end_datetime <= now()) = $3)
   AND start_datetime >= CASE WHEN NOT $3 THEN ({first_on_now}) ELSE '-infinity' END
