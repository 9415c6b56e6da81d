-- What an admin may do at this moment; no row: no such admin, or not any more.
SELECT role, is_active
  FROM admins
 WHERE admin_id = $1
