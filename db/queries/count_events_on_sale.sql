-- How many events on sale start in [$1, $2); one row always.
SELECT count(*) AS total
  FROM events
 WHERE status IN ('published', 'sold_out')
   AND end_datetime > now()
   AND start_datetime >= greatest($1::timestamptz, (
       SELECT coalesce(min(lower(tstzrange(start_datetime, end_datetime))), now())
         FROM events
        WHERE status IN ('published', 'sold_out')
          AND tstzrange(start_datetime, end_datetime) @> now()))
   AND start_datetime < coalesce($2::timestamptz, 'infinity')
