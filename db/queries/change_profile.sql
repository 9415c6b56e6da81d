-- Sets the name (null keeps it) and, if $3, the phone number of admin $1, and records in the audit which
-- of them that changed, but not to what. Returns the admin; no row: there is none here.
WITH found AS (
    SELECT admin_id, name, phone_number,
           coalesce($2::text, name) AS new_name,
           CASE WHEN $3::boolean THEN $4::text ELSE phone_number END AS new_phone
      FROM admins
     WHERE admin_id = $1
       FOR UPDATE
), changed AS (
    UPDATE admins AS a
       SET name = found.new_name,
           phone_number = found.new_phone,
           updated_at = now()
      FROM found
     WHERE a.admin_id = found.admin_id
       AND (found.name, found.phone_number) IS DISTINCT FROM (found.new_name, found.new_phone)
    RETURNING a.admin_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'profile_changed', $5::text, $6::text, admin_id,
           jsonb_build_object('fields', to_jsonb(array_remove(ARRAY[
               CASE WHEN name <> new_name THEN 'name' END,
               CASE WHEN phone_number IS DISTINCT FROM new_phone THEN 'phone_number' END], NULL)))
      FROM found
      JOIN changed USING (admin_id)
)
SELECT admin_id
  FROM found
