-- Locks the kept sums of the events $1, making them where there are none, and tells up to which version
-- they are; one row for each of them. Who locks several does so in the order of their ids.
INSERT INTO event_sales_kept AS k (event_id, version)
SELECT event_id, 0
  FROM unnest($1::uuid[]) AS asked (event_id)
 ORDER BY event_id
    ON CONFLICT (event_id) DO UPDATE SET version = k.version
RETURNING event_id, version
