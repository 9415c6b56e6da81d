-- All admins, by email.
SELECT email, name, role, is_active, created_at
  FROM admins
 ORDER BY coalesce(email_folded, email), email
