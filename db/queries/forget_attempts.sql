-- Deletes the counts of these buckets; returns nothing.
DELETE FROM auth_attempts
 WHERE bucket = ANY ($1::bytea[])
