-- The admin with this email in any case; no row: no admin has it.
SELECT admin_id, password_hash, role, is_active
  FROM admins
 WHERE lower(email) = lower($1)
