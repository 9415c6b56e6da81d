-- A page of the events on sale of type $3 that are on in [$1, $2); no row: it is past the end.
-- The inner scan finds the page in an index alone; only the page's own rows are read.
SELECT {listed_event}
  FROM (SELECT event_id, start_datetime
          FROM events
         WHERE status IN ('published', 'sold_out')
           AND event_type_folded = $3
           AND end_datetime > greatest($1::timestamptz, now())
           AND start_datetime >= ({first_on_then})
           AND start_datetime < coalesce($2::timestamptz, 'infinity')
         ORDER BY start_datetime, event_id
         LIMIT $4 OFFSET $5) AS page
  JOIN events AS e USING (event_id)
  JOIN venues AS v USING (venue_id)
 ORDER BY page.start_datetime, page.event_id
