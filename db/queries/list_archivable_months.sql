-- The months before $1 that have events to archive, with how many events and versions of them; no row: none
-- has any.
SELECT date_trunc('month', e.end_datetime AT TIME ZONE 'UTC')::date AS month,
       count(*) AS events,
       sum(e.version)::bigint AS versions
  FROM events AS e
 WHERE e.start_datetime < $1
   AND e.end_datetime < $1
   AND {final}
 GROUP BY 1
 ORDER BY 1
