-- Replaces the password hash $2 of admin $1 by $3, ends all their logins, and records it in the audit.
-- Returns the admin; no row: they have another password by now.
WITH changed AS (
    UPDATE admins
       SET password_hash = $3,
           updated_at = now()
     WHERE admin_id = $1
       AND password_hash = $2
    RETURNING admin_id
), ended AS (
    UPDATE refresh_families AS f
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
SELECT admin_id
  FROM changed
