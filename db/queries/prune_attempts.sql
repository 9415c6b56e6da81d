-- Deletes up to 100 buckets whose window has ended; returns nothing. It waits for no lock.
DELETE FROM auth_attempts
 WHERE bucket IN (
    SELECT bucket
      FROM auth_attempts
     WHERE window_ends_at <= now()
     LIMIT 100
       FOR UPDATE SKIP LOCKED
 )
