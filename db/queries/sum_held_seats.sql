-- The seats in holds that are stored as held, of all events; one row, always.
SELECT coalesce(sum(quantity), 0)::bigint AS seats
  FROM event_holds
 WHERE status = 'held'
