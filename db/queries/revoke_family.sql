-- Revokes the family of a token, used or not, and records it in the audit unless it was revoked
-- before. Returns the family's admin; no row: the token is unknown.
WITH known AS (
    SELECT f.family_id, f.admin_id
      FROM refresh_tokens t
      JOIN refresh_families f USING (family_id)
     WHERE t.token_sha256 = $1
), revoked AS (
    UPDATE refresh_families f
       SET revoked_at = now()
      FROM known
     WHERE f.family_id = known.family_id
       AND f.revoked_at IS NULL
    RETURNING f.family_id, f.admin_id
), noted AS (
    INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
    SELECT 'refreshes_revoked', 'admin:' || admin_id, $2::text, admin_id,
           jsonb_build_object('reason', 'logout', 'family_id', family_id)
      FROM revoked
)
SELECT admin_id
  FROM known
