-- A page of the events on sale that start in [$1, $2); no row: the page is past the end.
-- Nothing that is still to end starts before the first event that is on now: the walk begins there.
-- The inner scan finds the page in an index alone; only the page's own rows are read.
SELECT e.event_id, e.name, e.event_type, e.venue_id, v.name AS venue_name, v.city AS venue_city,
       e.start_datetime, e.end_datetime, e.total_capacity, e.available_seats, e.base_price,
       e.max_tickets_per_booking, e.status, e.version, e.created_by, e.created_at, e.updated_at
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE status IN ('published', 'sold_out')
           AND end_datetime > now()
           AND start_datetime >= greatest($1::timestamptz, (
               SELECT coalesce(min(lower(tstzrange(start_datetime, end_datetime))), now())
                 FROM events
                WHERE status IN ('published', 'sold_out')
                  AND tstzrange(start_datetime, end_datetime) @> now()))
           AND start_datetime < coalesce($2::timestamptz, 'infinity')
         ORDER BY start_datetime, event_id
         LIMIT $3 OFFSET $4) AS page
  JOIN events AS e USING (event_id)
  JOIN venues AS v USING (venue_id)
 ORDER BY page.start_datetime, page.event_id
