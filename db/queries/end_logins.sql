-- Ends all logins of admin $1, and records it in the audit if there were any. Always one row: how many.
WITH ended AS (
    UPDATE refresh_families
       SET revoked_at = now()
     WHERE admin_id = $1
       AND revoked_at IS NULL
       AND expires_at > now()
    RETURNING family_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'refreshes_revoked', $2::text, $3::text, $1::uuid,
           jsonb_build_object('reason', 'logout_everywhere', 'logins_ended', count(*))
      FROM ended
    HAVING count(*) > 0
)
SELECT count(*) AS ended
  FROM ended
