-- How often each bucket was counted in its running window; no row for a bucket: not at all.
SELECT bucket, attempts, extract(epoch FROM window_ends_at - now())::float8 AS ends_in_s
  FROM auth_attempts
 WHERE bucket = ANY ($1::bytea[])
   AND window_ends_at > now()
