-- The emails of the $3 admins after the one added at $1 with the id $2, the oldest first, with their
-- folded forms; no row: those were all.
SELECT admin_id, email, email_folded, created_at
  FROM admins
 WHERE (created_at, admin_id) > ($1, $2)
 ORDER BY created_at, admin_id
 LIMIT $3
