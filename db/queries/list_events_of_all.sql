-- A page of all admins' events with one of the stored statuses $1, ended or not ($2), where these
-- are given; no row: it is past the end.
-- The inner scan finds the page in an index alone; only the page's own rows are read, one by one
-- (LIMIT 1) even where the planner does not know how short a page is.
SELECT e.event_id, e.name, e.event_type, e.venue_id, v.name AS venue_name, v.city AS venue_city,
       e.start_datetime, e.end_datetime, e.total_capacity, e.available_seats, e.base_price,
       e.max_tickets_per_booking, e.version, e.created_by, e.created_at, e.updated_at,
       CASE WHEN e.status IN ('published', 'sold_out') AND e.end_datetime <= now()
            THEN 'completed' ELSE e.status END AS status
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE ($1::text[] IS NULL OR status = ANY ($1))
           AND ($2::boolean IS NULL OR (end_datetime <= now()) = $2)
         ORDER BY start_datetime, event_id
         LIMIT $3 OFFSET $4) AS page
 CROSS JOIN LATERAL (SELECT * FROM events WHERE event_id = page.event_id LIMIT 1) AS e
  JOIN venues AS v USING (venue_id)
 ORDER BY e.start_datetime, e.event_id
