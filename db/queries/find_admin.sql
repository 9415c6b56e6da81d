-- An admin's current role and state; no row: no such admin, or deleted since.
SELECT role, is_active
  FROM admins
 WHERE admin_id = $1
