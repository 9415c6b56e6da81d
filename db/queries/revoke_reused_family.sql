-- Revokes the family of a token that was used at least $2 seconds ago and records it in the audit. No
-- row: the token is unknown or unused, was used later than that, or its family is revoked already.
WITH revoked AS (
    UPDATE refresh_families f
       SET revoked_at = now()
      FROM refresh_tokens t
     WHERE t.token_sha256 = $1
       AND t.used_at <= clock_timestamp() - make_interval(secs => $2)
       AND f.family_id = t.family_id
       AND f.revoked_at IS NULL
    RETURNING f.family_id, f.admin_id
)
INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
SELECT 'refreshes_revoked', 'anonymous', $3::text, admin_id,
       jsonb_build_object('reason', 'a used refresh token came back', 'family_id', family_id)
  FROM revoked
RETURNING subject_id AS admin_id
