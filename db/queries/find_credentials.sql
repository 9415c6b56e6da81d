-- What a password of admin $1 is checked against; no row: they have no account here.
SELECT email, password_hash
  FROM admins
 WHERE admin_id = $1
