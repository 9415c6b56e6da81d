-- How many events on sale in city $4, of type $3 if it is given, are on in [$1, $2); one row always.
SELECT coalesce(sum(near.total), 0)::bigint AS total
  FROM venues AS place
 CROSS JOIN LATERAL (
       SELECT count(*) AS total
         FROM events
        WHERE venue_id = place.venue_id
          AND status IN ('published', 'sold_out')
          AND ($3::text IS NULL OR event_type_folded = $3)
          AND end_datetime > greatest($1::timestamptz, now())
          AND start_datetime >= ({first_on_then})
          AND start_datetime < coalesce($2::timestamptz, 'infinity')) AS near
 WHERE place.city_folded = $4
