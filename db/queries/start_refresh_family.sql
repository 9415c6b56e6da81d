-- Starts a family with its first token, and prunes up to 100 expired families, except those that
-- another login is pruning, and of this admin's families all but the latest $5 with the new one;
-- returns nothing.
WITH expired AS (
    SELECT family_id
      FROM refresh_families
     WHERE expires_at <= now()
     LIMIT 100
       FOR UPDATE SKIP LOCKED
), surplus AS (
    SELECT family_id
      FROM refresh_families
     WHERE admin_id = $2
     ORDER BY expires_at DESC
    OFFSET $5::integer - 1
       FOR UPDATE SKIP LOCKED
), pruned AS (
    DELETE FROM refresh_families f
     WHERE f.family_id IN (SELECT family_id FROM expired UNION SELECT family_id FROM surplus)
), started AS (
    INSERT INTO refresh_families (family_id, admin_id, expires_at)
    VALUES ($1, $2, now() + make_interval(secs => $4))
    RETURNING family_id, expires_at
)
INSERT INTO refresh_tokens (token_sha256, family_id, expires_at)
SELECT $3::bytea, family_id, expires_at
  FROM started
