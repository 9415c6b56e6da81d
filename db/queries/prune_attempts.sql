-- Deletes up to 100 buckets whose window has ended; returns nothing. It waits for no lock, and looks for
-- them once, whatever the plan: a join that looked again for each row would delete more.
WITH ended AS MATERIALIZED (
    SELECT bucket
      FROM auth_attempts
     WHERE window_ends_at <= now()
     LIMIT 100
       FOR UPDATE SKIP LOCKED
)
DELETE FROM auth_attempts AS a
 USING ended
 WHERE a.bucket = ended.bucket
