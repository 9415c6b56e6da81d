-- Seals those of the events $2 that still have the version $3 and can be archived, in the archive $1: they never
-- change again, and what their ledgers come to is noted. A batch that was decided before finds another fence. A
-- row for each of them; no row: none could be.
WITH asked AS MATERIALIZED (
    SELECT *
      FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                  $8::numeric[], $9::text[])
               AS a (event_id, version, capacity, seats, held, held_back, money, status)
),
sealed AS (
    UPDATE events AS e
       SET archived_version = e.version,
           fence = e.fence + 1
      FROM asked
     WHERE e.event_id = asked.event_id
       AND e.version = asked.version
       AND {final}
    RETURNING e.event_id
)
INSERT INTO archived_ledgers (archive_id, event_id, version, capacity, seats, held, held_back, money, status,
                              holds_confirmed, holds_released, holds_expired, holds_retaken)
SELECT $1::uuid, asked.*, h.*
  FROM asked
  JOIN sealed USING (event_id)
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE status = 'confirmed'),
              count(*) FILTER (WHERE status = 'released'),
              count(*) FILTER (WHERE status = 'expired'),
              count(*) FILTER (WHERE retaken)
         FROM event_holds
        WHERE event_id = asked.event_id) AS h
RETURNING event_id
