-- Starts a family with its first token, and prunes up to 100 expired families, except those that
-- another login is pruning; returns nothing.
WITH expired AS (
    SELECT family_id
      FROM refresh_families
     WHERE expires_at <= now()
     LIMIT 100
       FOR UPDATE SKIP LOCKED
), pruned AS (
    DELETE FROM refresh_families f
     USING expired
     WHERE f.family_id = expired.family_id
), started AS (
    INSERT INTO refresh_families (family_id, admin_id, expires_at)
    VALUES ($1, $2, now() + make_interval(secs => $4))
    RETURNING family_id, expires_at
)
INSERT INTO refresh_tokens (token_sha256, family_id, expires_at)
SELECT $3::bytea, family_id, expires_at
  FROM started
