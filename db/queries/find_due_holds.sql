-- For each event of $1 the holds that are stored as held and whose time has passed, $2 at most, oldest
-- first, and with them the one that expires next, due or not; an event without held ones has no row.
SELECT h.*, now() AS clock
  FROM unnest($1::uuid[]) AS k (event_id)
 CROSS JOIN LATERAL (
       SELECT *
         FROM event_holds AS d
        WHERE d.event_id = k.event_id AND d.status = 'held' AND d.expires_at <= now()
        ORDER BY d.expires_at
        LIMIT $2 + 1) AS h
UNION ALL
SELECT h.*, now()
  FROM unnest($1::uuid[]) AS k (event_id)
 CROSS JOIN LATERAL (
       SELECT *
         FROM event_holds AS d
        WHERE d.event_id = k.event_id AND d.status = 'held' AND d.expires_at > now()
        ORDER BY d.expires_at
        LIMIT 1) AS h;
