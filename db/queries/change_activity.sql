-- Activates or deactivates ($3) the admin with the email $2, folded $1, and records it in the audit;
-- setting the current state changes nothing, and neither does deactivating the last active super_admin
-- ($4), unless $5. Deactivating also revokes their refresh tokens. Returns the admin, their previous
-- state, and whether that protected them; no row: no admin has the email.
WITH supers AS (
    -- Locked first and in order, so that two changes at once see each other and cannot deadlock.
    SELECT admin_id
      FROM admins
     WHERE role = $4
       AND is_active
     ORDER BY admin_id
       FOR UPDATE
), found AS (
    SELECT admin_id, is_active
      FROM admins
     WHERE admin_id = ({admin_with_email})
       AND (SELECT count(*) FROM supers) >= 0
       FOR UPDATE
), judged AS (
    SELECT admin_id, is_active,
           NOT $5::boolean
               AND NOT $3::boolean
               AND admin_id IN (SELECT admin_id FROM supers)
               AND (SELECT count(*) FROM supers) = 1 AS is_protected
      FROM found
), changed AS (
    UPDATE admins a
       SET is_active = $3,
           updated_at = now()
      FROM judged
     WHERE a.admin_id = judged.admin_id
       AND judged.is_active <> $3
       AND NOT judged.is_protected
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
           $6::text, $7::text, admin_id,
           jsonb_build_object('logins_ended', (SELECT count(*) FROM ended))
      FROM changed
)
SELECT admin_id, is_active, is_protected
  FROM judged
