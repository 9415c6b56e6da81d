-- All admins, by email.
SELECT email, name, role, is_active, created_at
  FROM admins
 ORDER BY lower(email)
