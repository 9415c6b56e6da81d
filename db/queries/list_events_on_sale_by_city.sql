-- A page of the events on sale in city $4, of type $3 if it is given, that are on in [$1, $2); no
-- row: the page is past the end. Each venue of the city gives its first events, as many as could
-- come to stand on the page, so that neither a large city nor an unknown one reads all events.
SELECT {listed_event}
  FROM (SELECT near.event_id, near.start_datetime
          FROM venues AS place
         CROSS JOIN LATERAL (
               SELECT event_id, start_datetime
                 FROM events
                WHERE venue_id = place.venue_id
                  AND status IN ('published', 'sold_out')
                  AND ($3::text IS NULL OR event_type_folded = $3)
                  AND end_datetime > greatest($1::timestamptz, now())
                  AND start_datetime >= ({first_on_then})
                  AND start_datetime < coalesce($2::timestamptz, 'infinity')
                ORDER BY start_datetime, event_id
                LIMIT $5::bigint + $6::bigint) AS near
         WHERE place.city_folded = $4
         ORDER BY near.start_datetime, near.event_id
         LIMIT $5 OFFSET $6) AS page
  JOIN events AS e USING (event_id)
  JOIN venues AS v USING (venue_id)
 ORDER BY page.start_datetime, page.event_id
