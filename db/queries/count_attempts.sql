-- Counts one attempt in every bucket, starting a new window of so many seconds if the last has
-- ended; returns a row for every bucket. Rows are locked in order of their bucket, so that two
-- requests cannot deadlock.
INSERT INTO auth_attempts AS a (bucket, attempts, window_ends_at)
SELECT bucket, 1, now() + make_interval(secs => window_s)
  FROM unnest($1::bytea[], $2::float8[]) AS counted (bucket, window_s)
 ORDER BY bucket
    ON CONFLICT (bucket) DO UPDATE
   SET attempts = CASE WHEN a.window_ends_at > now() THEN a.attempts + 1 ELSE 1 END,
       window_ends_at = CASE
           WHEN a.window_ends_at > now() THEN a.window_ends_at ELSE excluded.window_ends_at
       END
RETURNING bucket, attempts, extract(epoch FROM window_ends_at - now())::float8 AS ends_in_s
