-- The account of admin $1; no row: there is none here.
SELECT {account}
  FROM admins AS a
 WHERE a.admin_id = $1
