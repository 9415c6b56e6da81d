-- Marks the token $1 as used, stores $2 as its successor and returns the admin; no row: $1 is
-- unknown, used, expired or revoked, or its admin is deactivated. Of two concurrent uses the second
-- waits for the row lock of the first and then finds used_at set. Expired tokens of the family are
-- pruned.
WITH used AS (
    UPDATE refresh_tokens t
       SET used_at = clock_timestamp()
      FROM refresh_families f
      JOIN admins a USING (admin_id)
     WHERE t.token_sha256 = $1
       AND t.used_at IS NULL
       AND t.expires_at > now()
       AND f.family_id = t.family_id
       AND f.revoked_at IS NULL
       AND a.is_active
    RETURNING t.family_id, a.admin_id, a.role
), prolonged AS (
    UPDATE refresh_families f
       SET expires_at = now() + make_interval(secs => $3)
      FROM used
     WHERE f.family_id = used.family_id
), pruned AS (
    DELETE FROM refresh_tokens t
     USING used
     WHERE t.family_id = used.family_id
       AND t.expires_at <= now()
), followed AS (
    INSERT INTO refresh_tokens (token_sha256, family_id, expires_at)
    SELECT $2::bytea, family_id, now() + make_interval(secs => $3)
      FROM used
)
SELECT admin_id, role
  FROM used
