-- The start of the first event on sale that is on now, or the present where there is none: nothing
-- that is still to end starts before it, so a list of what is on sale begins there.
SELECT coalesce(min(lower(tstzrange(start_datetime, end_datetime))), now())
  FROM events
 WHERE status IN ('published', 'sold_out')
   AND tstzrange(start_datetime, end_datetime) @> now()
