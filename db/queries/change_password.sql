-- Sets the password hash of the admin with the email $2, folded $1, revokes their refresh tokens and
-- records it in the audit. Returns the admin and whether they are active; no row: no admin has the
-- email.
WITH changed AS (
    UPDATE admins
       SET password_hash = $3,
           updated_at = now()
     WHERE admin_id = ({admin_with_email})
    RETURNING admin_id, is_active
), ended AS (
    UPDATE refresh_families f
       SET revoked_at = now()
      FROM changed
     WHERE f.admin_id = changed.admin_id
       AND f.revoked_at IS NULL
       AND f.expires_at > now()
    RETURNING f.family_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'password_changed', $4::text, $5::text, admin_id,
           jsonb_build_object('logins_ended', (SELECT count(*) FROM ended))
      FROM changed
)
SELECT admin_id, is_active
  FROM changed
