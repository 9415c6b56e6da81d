-- Lets the admin with this email in ($2), or shuts him out and ends his logins, and notes it;
-- returns the admin and whether he was in before; no row: nobody has the email. What is so already
-- is no change.
WITH found AS (
    SELECT admin_id, is_active
      FROM admins
     WHERE lower(email) = lower($1)
       FOR UPDATE
), changed AS (
    UPDATE admins a
       SET is_active = $2,
           updated_at = now()
      FROM found
     WHERE a.admin_id = found.admin_id
       AND found.is_active <> $2
    RETURNING a.admin_id
), ended AS (
    UPDATE refresh_families f
       SET revoked_at = now()
      FROM changed
     WHERE f.admin_id = changed.admin_id
       AND f.revoked_at IS NULL
       AND f.expires_at > now()
       AND NOT $2::boolean
    RETURNING f.family_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT CASE WHEN $2 THEN 'admin_activated' ELSE 'admin_deactivated' END,
           $3::text, $4::text, admin_id,
           jsonb_build_object('logins_ended', (SELECT count(*) FROM ended))
      FROM changed
)
SELECT admin_id, is_active
  FROM found
