-- The next $3 events on sale after event $2 that starts at $1, by start and id, or the first ones; no
-- row: there are no more. Nothing that has ended is read, however much of it there is.
-- The inner scan finds the page in an index alone; only its rows are read.
SELECT e.event_id::text, e.start_datetime, e.end_datetime, e.event_type, v.city
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE status IN ('published', 'sold_out')
           AND end_datetime > now()
           -- One bound: of two, the scan may begin at the lower one.
           AND (start_datetime, event_id)
               > (coalesce($1::timestamptz, ({first_on_now})),
                  coalesce($2::uuid, '00000000-0000-0000-0000-000000000000'))
         ORDER BY start_datetime, event_id
         LIMIT $3) AS page
 CROSS JOIN LATERAL (SELECT * FROM events WHERE event_id = page.event_id LIMIT 1) AS e
  JOIN venues AS v USING (venue_id)
 ORDER BY page.start_datetime, page.event_id
