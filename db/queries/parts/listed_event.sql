-- What a list shows of event e at venue v; an event on sale is completed once its end has passed. The last
-- three say how it sells, with what is shown; its admin also sees them, and the time zone.
{listed_columns}, v.name AS venue_name, v.city AS venue_city,
coalesce(v.timezone, 'UTC') AS timezone,
CASE WHEN e.status IN ('published', 'sold_out') AND e.end_datetime <= now()
     THEN 'completed' ELSE e.status END AS status,
e.held_seats, e.paused, now() AS clock
