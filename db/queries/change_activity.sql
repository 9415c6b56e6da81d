-- Activates or deactivates ($2) the admin with this email and records it in the audit; setting the
-- current state changes nothing. Deactivating also revokes their refresh tokens. Returns the admin
-- and their previous state; no row: no admin has the email.
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
