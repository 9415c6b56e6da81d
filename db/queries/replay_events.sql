-- The events from $1 to $2 and the replay of their ledgers, as of one moment. The columns of a missing
-- event or a missing ledger are null; no row: there are neither events nor ledgers. A ledger that is archived
-- comes to what was noted of it.
SELECT coalesce(e.event_id, l.event_id) AS event_id,
       e.version, e.total_capacity, e.available_seats, e.held_seats, e.held_back_seats, e.revenue, e.status,
       l.versions, l.last_version, l.capacity, l.seats, l.held, l.held_back, l.money, l.last_status,
       l.gap_at, l.wrong_at, l.impossible_at,
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
              count(*) AS versions,
              max(version) AS last_version,
              sum(capacity_delta)::bigint AS capacity,
              sum(seat_delta::bigint + capacity_delta)::bigint AS seats,
              sum(held_delta)::bigint AS held,
              sum(held_back_delta)::bigint AS held_back,
              sum(money_delta) AS money,
              max(status) FILTER (WHERE is_last) AS last_status,
              min(version) FILTER (WHERE version <> position) AS gap_at,
              min(version) FILTER (WHERE available_seats <> seats_so_far) AS wrong_at,
              min(version) FILTER (WHERE seats_so_far < 0 OR held_so_far < 0
                                      OR held_back_so_far < 0
                                      OR seats_so_far + held_so_far + held_back_so_far
                                         > capacity_so_far)
                  AS impossible_at
         FROM (SELECT event_id, version, seat_delta, held_delta, held_back_delta, capacity_delta,
                      money_delta, available_seats, status,
                      row_number() OVER so_far AS position,
                      lead(version) OVER so_far IS NULL AS is_last,
                      sum(seat_delta::bigint + capacity_delta) OVER so_far AS seats_so_far,
                      sum(held_delta) OVER so_far AS held_so_far,
                      sum(held_back_delta) OVER so_far AS held_back_so_far,
                      sum(capacity_delta) OVER so_far AS capacity_so_far
                 FROM event_ledger
                WHERE event_id BETWEEN $1 AND $2
                  AND event_id NOT IN (SELECT event_id
                                         FROM archived_ledgers
                                        WHERE event_id BETWEEN $1 AND $2)
               WINDOW so_far AS (PARTITION BY event_id ORDER BY version
                                 ROWS UNBOUNDED PRECEDING)) AS step
        GROUP BY event_id
        UNION ALL
       SELECT event_id, version, version, capacity, seats, held, held_back, money, status, NULL, NULL, NULL
         FROM archived_ledgers
        WHERE event_id BETWEEN $1 AND $2) AS l USING (event_id)
 ORDER BY event_id
