-- Changes the role of the admin with the email $2, folded $1, and records the previous one in the audit; setting
-- the current role changes nothing. Returns the admin and the previous role; no row: no admin has
-- the email.
WITH found AS (
    SELECT admin_id, role
      FROM admins
     WHERE admin_id = ({admin_with_email})
       FOR UPDATE
), changed AS (
    UPDATE admins a
       SET role = $3,
           updated_at = now()
      FROM found
     WHERE a.admin_id = found.admin_id
       AND found.role <> $3
    RETURNING a.admin_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'role_changed', $4::text, $5::text, admin_id,
           jsonb_build_object('from', found.role, 'to', $3::text)
      FROM found
      JOIN changed USING (admin_id)
)
SELECT admin_id, role
  FROM found
