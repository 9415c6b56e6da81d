-- The admin whose email folds to $1; one that has no folded form is found as it is written ($2).
SELECT admin_id
  FROM admins
 WHERE email_folded = $1
    OR (email_folded IS NULL AND email = $2)
 ORDER BY email = $2 DESC
 LIMIT 1
