-- Writes the folded form $3 of the admin $1, if their email is still $2; returns nothing. One that another
-- admin has violates admins_email_once.
UPDATE admins
   SET email_folded = $3
 WHERE admin_id = $1
   AND email = $2
