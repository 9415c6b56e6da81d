-- Deletes up to $2 of the refusals that are older than $1 seconds, the oldest first, and counts them;
-- null while another node does it.
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock($3::bigint) AS ours
),
old AS MATERIALIZED (
    SELECT r.ctid
      FROM event_refusals AS r
     WHERE (SELECT ours FROM turn)
       AND r.refused_at < now() - make_interval(secs => $1::double precision)
     ORDER BY r.refused_at
     LIMIT $2
),
deleted AS (
    DELETE FROM event_refusals AS r
     WHERE r.ctid = ANY (ARRAY (SELECT ctid FROM old))
    RETURNING 1
)
SELECT CASE WHEN (SELECT ours FROM turn) THEN (SELECT count(*) FROM deleted) END;
