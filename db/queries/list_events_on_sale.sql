-- Those of the events $1 that are on sale and have not ended, in the order of $1; no row: none is.
SELECT {listed_event}
  FROM unnest($1::uuid[]) WITH ORDINALITY AS page (event_id, place)
 CROSS JOIN LATERAL (SELECT *
                       FROM events
                      WHERE event_id = page.event_id
                        AND status IN ('published', 'sold_out')
                        AND end_datetime > now()
                      LIMIT 1) AS e
 CROSS JOIN LATERAL (SELECT name, city, timezone FROM venues WHERE venue_id = e.venue_id LIMIT 1) AS v
 ORDER BY page.place
