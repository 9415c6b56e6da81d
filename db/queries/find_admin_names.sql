-- The names of those of the admins $1 who have an account here.
SELECT admin_id, name
  FROM admins
 WHERE admin_id = ANY ($1::uuid[])
