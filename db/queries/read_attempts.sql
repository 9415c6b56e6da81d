-- The attempts in each bucket's current window; a bucket without a row has none.
SELECT bucket, attempts, extract(epoch FROM window_ends_at - now())::float8 AS ends_in_s
  FROM auth_attempts
 WHERE bucket = ANY ($1::bytea[])
   AND window_ends_at > now()
