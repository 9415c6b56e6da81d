-- Marks the token $1 as used, stores $2 as its successor, valid for $3 seconds, and returns the admin. A
-- family that was continued $4 times in its window of $5 seconds is told when the window ends, and
-- nothing changes. No row: $1 is unknown, used, expired or revoked, or its admin is deactivated. Of two
-- concurrent uses the second waits for the row lock of the first and then finds used_at set. Of the
-- tokens that the family used before, the latest $6 are kept, while they are valid.
WITH valid AS MATERIALIZED (
    SELECT t.token_sha256, t.family_id, a.admin_id, a.role,
           CASE WHEN f.window_ends_at > now() AND f.refreshes >= $4::integer
                THEN ceil(extract(epoch FROM f.window_ends_at - now()))::integer
           END AS retry_after_s
      FROM refresh_tokens t
      JOIN refresh_families f USING (family_id)
      JOIN admins a USING (admin_id)
     WHERE t.token_sha256 = $1
       AND t.used_at IS NULL
       AND t.expires_at > now()
       AND f.revoked_at IS NULL
       AND a.is_active
), used AS (
    UPDATE refresh_tokens t
       SET used_at = clock_timestamp()
      FROM valid v
     WHERE t.token_sha256 = v.token_sha256
       AND t.used_at IS NULL
       AND v.retry_after_s IS NULL
    RETURNING t.family_id, v.admin_id, v.role
), prolonged AS (
    UPDATE refresh_families f
       SET expires_at = now() + make_interval(secs => $3),
           refreshes = CASE WHEN f.window_ends_at > now() THEN f.refreshes + 1 ELSE 1 END,
           window_ends_at = CASE WHEN f.window_ends_at > now() THEN f.window_ends_at
                                 ELSE now() + make_interval(secs => $5) END
      FROM used
     WHERE f.family_id = used.family_id
), pruned AS (
    DELETE FROM refresh_tokens t
     USING used
     WHERE t.family_id = used.family_id
       AND (t.expires_at <= now()
            OR t.used_at < (SELECT kept.used_at
                              FROM refresh_tokens kept
                             WHERE kept.family_id = used.family_id
                               AND kept.used_at IS NOT NULL
                             ORDER BY kept.used_at DESC
                            OFFSET $6::integer - 1
                             LIMIT 1))
), followed AS (
    INSERT INTO refresh_tokens (token_sha256, family_id, expires_at)
    SELECT $2::bytea, family_id, now() + make_interval(secs => $3)
      FROM used
)
SELECT admin_id, role, NULL::integer AS retry_after_s
  FROM used
 UNION ALL
SELECT admin_id, role, retry_after_s
  FROM valid
 WHERE retry_after_s IS NOT NULL
