-- Changes the role of the admin with the email $2, folded $1, and records the previous one in the
-- audit; setting the current role changes nothing, and neither does taking the role of the last active
-- super_admin ($4), unless $5. Returns the admin, the previous role, and whether that protected them;
-- no row: no admin has the email.
WITH supers AS (
    -- Locked first and in order, so that two demotions at once see each other and cannot deadlock.
    SELECT admin_id
      FROM admins
     WHERE role = $4
       AND is_active
     ORDER BY admin_id
       FOR UPDATE
), found AS (
    SELECT admin_id, role, is_active
      FROM admins
     WHERE admin_id = ({admin_with_email})
       AND (SELECT count(*) FROM supers) >= 0
       FOR UPDATE
), judged AS (
    SELECT admin_id, role,
           NOT $5::boolean
               AND $3 <> $4
               AND admin_id IN (SELECT admin_id FROM supers)
               AND (SELECT count(*) FROM supers) = 1 AS is_protected
      FROM found
), changed AS (
    UPDATE admins a
       SET role = $3,
           updated_at = now()
      FROM judged
     WHERE a.admin_id = judged.admin_id
       AND judged.role <> $3
       AND NOT judged.is_protected
    RETURNING a.admin_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'role_changed', $6::text, $7::text, admin_id,
           jsonb_build_object('from', judged.role, 'to', $3::text)
      FROM judged
      JOIN changed USING (admin_id)
)
SELECT admin_id, role, is_protected
  FROM judged
