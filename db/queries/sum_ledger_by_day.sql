-- The seats that an event sold and got back on each UTC day, up to version $2; no row: no seat has
-- moved yet.
SELECT (recorded_at AT TIME ZONE 'UTC')::date AS date,
       coalesce(sum(-seat_delta) FILTER (WHERE seat_delta < 0), 0)::bigint AS tickets_sold,
       coalesce(sum(seat_delta) FILTER (WHERE seat_delta > 0), 0)::bigint AS tickets_returned,
       sum(money_delta) AS revenue
  FROM event_ledger
 WHERE event_id = $1
   AND version <= $2
   AND seat_delta <> 0
 GROUP BY 1
 ORDER BY 1
