-- The replay of the versions after $2 and up to $3 of each event $1, whose ledger had $4 versions and came
-- to the free seats $5, the held seats $6, those kept back $7 and the capacity $8 before; an event that has
-- none of them gives no row.
SELECT s.event_id,
       count(*) AS versions,
       max(version) AS last_version,
       s.capacity + sum(capacity_delta)::bigint AS capacity,
       s.seats + sum(seat_delta::bigint + capacity_delta)::bigint AS seats,
       s.held + sum(held_delta)::bigint AS held,
       s.held_back + sum(held_back_delta)::bigint AS held_back,
       sum(money_delta) AS money,
       max(status) FILTER (WHERE version = s.upto) AS last_status,
       min(version) FILTER (WHERE version <> s.versions + position) AS gap_at,
       min(version) FILTER (WHERE available_seats <> s.seats + seats_so_far) AS wrong_at,
       min(version) FILTER (
           WHERE s.seats + seats_so_far < 0 OR s.held + held_so_far < 0
              OR s.held_back + held_back_so_far < 0
              OR s.seats + seats_so_far + s.held + held_so_far + s.held_back + held_back_so_far
                 > s.capacity + capacity_so_far
       ) AS impossible_at
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
            $6::bigint[], $7::bigint[], $8::bigint[])
           AS s (event_id, after, upto, versions, seats, held, held_back, capacity)
 CROSS JOIN LATERAL (
       SELECT version, seat_delta, held_delta, held_back_delta, capacity_delta, money_delta,
              available_seats, status,
              row_number() OVER so_far AS position,
              sum(seat_delta::bigint + capacity_delta) OVER so_far AS seats_so_far,
              sum(held_delta) OVER so_far AS held_so_far,
              sum(held_back_delta) OVER so_far AS held_back_so_far,
              sum(capacity_delta) OVER so_far AS capacity_so_far
         FROM event_ledger
        WHERE event_id = s.event_id
          AND version > s.after
          AND version <= s.upto
       WINDOW so_far AS (ORDER BY version ROWS UNBOUNDED PRECEDING)) AS step
 GROUP BY s.event_id, s.upto, s.versions, s.seats, s.held, s.held_back, s.capacity
