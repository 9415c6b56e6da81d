-- How many events on sale of type $3 are on in [$1, $2); one row always.
SELECT count(*) AS total
  FROM events
 WHERE status IN ('published', 'sold_out')
   AND event_type_folded = $3
   AND end_datetime > greatest($1::timestamptz, now())
   AND start_datetime >= ({first_on_then})
   AND start_datetime < coalesce($2::timestamptz, 'infinity')
