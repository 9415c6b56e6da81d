-- Gives admin $1 the role $2 and the state $3, each unless null, and records what that changed in the
-- audit; deactivating ends their logins. One row: whether it would have left no active super_admin, and
-- was refused for it. No row: there is no such admin.
-- Every change first locks all active super_admins in one order, so that of two who remove each other
-- the second sees what the first has done.
WITH supers AS MATERIALIZED (
    SELECT admin_id
      FROM admins
     WHERE role = 'super_admin'
       AND is_active
     ORDER BY admin_id
       FOR UPDATE
), others AS MATERIALIZED (
    SELECT count(*) AS active
      FROM supers
     WHERE admin_id <> $1
), found AS MATERIALIZED (
    SELECT a.admin_id, a.role, a.is_active, others.active
      FROM others
     CROSS JOIN admins AS a
     WHERE a.admin_id = $1
       FOR UPDATE OF a
), wanted AS (
    SELECT admin_id, role, is_active,
           coalesce($2::text, role) AS new_role,
           coalesce($3::boolean, is_active) AS new_state,
           active = 0
               AND role = 'super_admin' AND is_active
               AND (coalesce($2::text, role) <> 'super_admin' OR NOT coalesce($3::boolean, true))
               AS last_one
      FROM found
), changed AS (
    UPDATE admins AS a
       SET role = wanted.new_role,
           is_active = wanted.new_state,
           updated_at = now()
      FROM wanted
     WHERE a.admin_id = wanted.admin_id
       AND NOT wanted.last_one
       AND (wanted.role, wanted.is_active) <> (wanted.new_role, wanted.new_state)
    RETURNING a.admin_id
), ended AS (
    UPDATE refresh_families AS f
       SET revoked_at = now()
      FROM changed
      JOIN wanted USING (admin_id)
     WHERE f.admin_id = changed.admin_id
       AND NOT wanted.new_state
       AND f.revoked_at IS NULL
       AND f.expires_at > now()
    RETURNING f.family_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT told.action, $4::text, $5::text, admin_id, told.details
      FROM changed
      JOIN wanted USING (admin_id)
     CROSS JOIN LATERAL (
         SELECT 'role_changed' AS action,
                jsonb_build_object('from', wanted.role, 'to', wanted.new_role) AS details
          WHERE wanted.role <> wanted.new_role
          UNION ALL
         SELECT CASE WHEN wanted.new_state THEN 'admin_activated' ELSE 'admin_deactivated' END,
                jsonb_build_object('logins_ended', (SELECT count(*) FROM ended))
          WHERE wanted.is_active <> wanted.new_state) AS told
)
SELECT last_one
  FROM wanted
