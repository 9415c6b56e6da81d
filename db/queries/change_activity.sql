-- Activates or deactivates ($3) the admin with the email $2, folded $1, and records it in the audit; setting the
-- current state changes nothing. Deactivating also revokes their refresh tokens. Returns the admin
-- and their previous state; no row: no admin has the email.
WITH found AS (
    SELECT admin_id, is_active
      FROM admins
     WHERE admin_id = ({admin_with_email})
       FOR UPDATE
), changed AS (
    UPDATE admins a
       SET is_active = $3,
           updated_at = now()
      FROM found
     WHERE a.admin_id = found.admin_id
       AND found.is_active <> $3
    RETURNING a.admin_id
), ended AS (
    UPDATE refresh_families f
       SET revoked_at = now()
      FROM changed
     WHERE f.admin_id = changed.admin_id
       AND f.revoked_at IS NULL
       AND f.expires_at > now()
       AND NOT $3::boolean
    RETURNING f.family_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT CASE WHEN $3 THEN 'admin_activated' ELSE 'admin_deactivated' END,
           $4::text, $5::text, admin_id,
           jsonb_build_object('logins_ended', (SELECT count(*) FROM ended))
      FROM changed
)
SELECT admin_id, is_active
  FROM found
