-- Adds the versions after $2 and up to $3 of each event $1 to its kept sums, which the transaction has locked.
WITH asked AS MATERIALIZED (
    SELECT *
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS a (event_id, kept, upto)
),
added AS (
    INSERT INTO event_sales_by_day AS d
           (event_id, date, tickets_sold, tickets_returned, revenue)
    SELECT asked.event_id, s.*
      FROM asked
     CROSS JOIN LATERAL (
           SELECT (l.recorded_at AT TIME ZONE 'UTC')::date AS date,
                  {sums_of_sales}
             FROM event_ledger AS l
            WHERE l.event_id = asked.event_id
              AND l.version > asked.kept
              AND l.version <= asked.upto
              AND l.seat_delta + l.held_delta + l.held_back_delta <> 0
            GROUP BY 1) AS s
        ON CONFLICT (event_id, date) DO UPDATE
       SET tickets_sold = d.tickets_sold + excluded.tickets_sold,
           tickets_returned = d.tickets_returned + excluded.tickets_returned,
           revenue = d.revenue + excluded.revenue
)
UPDATE event_sales_kept AS k
   SET version = asked.upto
  FROM asked
 WHERE k.event_id = asked.event_id
