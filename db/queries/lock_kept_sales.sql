-- Locks the kept sums of event $1, making them where there are none, and tells up to which version
-- they are; one row always.
INSERT INTO event_sales_kept AS k (event_id, version)
VALUES ($1, 0)
    ON CONFLICT (event_id) DO UPDATE SET version = k.version
RETURNING version
