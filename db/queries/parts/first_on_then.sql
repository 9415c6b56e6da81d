-- The start of the first event on sale that is on at the later of $1 and now, or that moment where there
-- is none: nothing that is still to end then starts before it, so a list of what is on sale begins there.
SELECT coalesce(min(lower(tstzrange(start_datetime, end_datetime))), greatest($1::timestamptz, now()))
  FROM events
 WHERE status IN ('published', 'sold_out')
   AND tstzrange(start_datetime, end_datetime) @> greatest($1::timestamptz, now())
