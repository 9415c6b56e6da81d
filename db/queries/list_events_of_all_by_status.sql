-- A page of all admins' events of the stored status $1, if $2 only those that have not ended; no row:
-- it is past the end.
-- The inner scan finds the page in an index alone, and begins where nothing has ended; only the
-- page's own rows are read, one by one (LIMIT 1) even where the planner does not know how short a
-- page is.
SELECT {listed_event}
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE status = $1
           AND (NOT $2 OR end_datetime > now())
           AND start_datetime >= CASE WHEN $2 THEN ({first_on_now}) ELSE '-infinity' END
         ORDER BY start_datetime, event_id
         LIMIT $3 OFFSET $4) AS page
 CROSS JOIN LATERAL (SELECT * FROM events WHERE event_id = page.event_id LIMIT 1) AS e
  JOIN venues AS v USING (venue_id)
 ORDER BY e.start_datetime, e.event_id
