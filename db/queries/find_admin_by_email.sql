-- The admin with the email $2, folded $1; no row: no admin has it.
SELECT admin_id, password_hash, role, is_active
  FROM admins
 WHERE admin_id = ({admin_with_email})
