-- A page of the events of admin $1 with one of the stored statuses $2, ended or not ($3), where
-- these are given; no row: it is past the end.
-- The inner scan finds the page in an index alone; only the page's own rows are read, one by one
-- (LIMIT 1) even where the planner does not know how short a page is.
SELECT {listed_event}
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE created_by = $1
           AND ($2::text[] IS NULL OR status = ANY ($2))
           AND ($3::boolean IS NULL OR (end_datetime <= now()) = $3)
           AND start_datetime >= CASE WHEN NOT $3 THEN ({first_on_now}) ELSE '-infinity' END
         ORDER BY start_datetime, event_id
         LIMIT $4 OFFSET $5) AS page
 CROSS JOIN LATERAL (SELECT * FROM events WHERE event_id = page.event_id LIMIT 1) AS e
  JOIN venues AS v USING (venue_id)
 ORDER BY e.start_datetime, e.event_id
