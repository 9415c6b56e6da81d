-- The events from $1 to $2 with the last version of their ledgers, as of one moment, and what was proven
-- of these by a replay that began at version 1 in the last $3 seconds. The columns of a missing event, a
-- missing ledger or a missing proof are null; no row: there are neither events nor ledgers.
-- The ledgers are found by their first rows, however many each of them has. One that is archived is proven by
-- what was noted of it.
WITH RECURSIVE ledgers AS (
    (SELECT event_id
       FROM event_ledger
      WHERE event_id BETWEEN $1 AND $2
      ORDER BY event_id
      LIMIT 1)
     UNION ALL
    SELECT (SELECT event_id
              FROM event_ledger
             WHERE event_id > last.event_id
               AND event_id <= $2
             ORDER BY event_id
             LIMIT 1)
      FROM ledgers AS last
     WHERE last.event_id IS NOT NULL
)
SELECT coalesce(e.event_id, l.event_id) AS event_id,
       e.version, e.total_capacity, e.available_seats, e.held_seats, e.held_back_seats, e.revenue, e.status,
       l.last_version,
       coalesce(a.version, p.version) AS proven,
       coalesce(a.capacity, p.capacity) AS capacity,
       coalesce(a.seats, p.seats) AS seats,
       coalesce(a.held, p.held) AS held,
       coalesce(a.held_back, p.held_back) AS held_back,
       coalesce(a.money, p.money) AS money,
       coalesce(a.status, p.status) AS last_status,
       (SELECT coalesce(sum(h.quantity), 0)
          FROM event_holds AS h
         WHERE h.event_id = coalesce(e.event_id, l.event_id) AND h.status = 'held') AS in_holds,
       (SELECT coalesce(sum(b.quantity), 0)
          FROM jsonb_to_recordset(e.holdbacks) AS b (quantity integer)) AS in_blocks
  FROM (SELECT event_id, version, total_capacity, available_seats, held_seats, held_back_seats, holdbacks,
               revenue, status
          FROM events
         WHERE event_id BETWEEN $1 AND $2) AS e
  FULL JOIN (
       SELECT event_id,
              (SELECT max(version)
                 FROM event_ledger
                WHERE event_id = ledgers.event_id) AS last_version
         FROM ledgers
        WHERE event_id IS NOT NULL
          AND event_id NOT IN (SELECT event_id
                                 FROM archived_ledgers
                                WHERE event_id BETWEEN $1 AND $2)
        UNION ALL
       SELECT event_id, version
         FROM archived_ledgers
        WHERE event_id BETWEEN $1 AND $2) AS l USING (event_id)
  LEFT JOIN archived_ledgers AS a ON a.event_id = l.event_id
  LEFT JOIN event_proofs AS p
         ON p.event_id = coalesce(e.event_id, l.event_id)
        AND p.version <= l.last_version
        AND p.since > now() - make_interval(secs => $3)
 ORDER BY 1
