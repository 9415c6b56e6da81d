-- Deletes the counts in every bucket that begins with these bytes; returns nothing.
DELETE FROM auth_attempts
 WHERE bucket >= $1::bytea
   AND bucket <= $1::bytea || '\xffffffffffffffffffffffffffffffff'::bytea
