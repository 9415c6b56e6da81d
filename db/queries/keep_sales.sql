-- Adds the versions ($2, $3] of event $1 to its kept sums, which the transaction has locked.
WITH added AS (
    INSERT INTO event_sales_by_day AS d
           (event_id, date, tickets_sold, tickets_returned, revenue)
    SELECT $1, s.*
      FROM (SELECT (l.recorded_at AT TIME ZONE 'UTC')::date AS date,
                   {sums_of_sales}
              FROM event_ledger AS l
             WHERE l.event_id = $1
               AND l.version > $2
               AND l.version <= $3
               AND l.seat_delta + l.held_delta + l.held_back_delta <> 0
             GROUP BY 1) AS s
        ON CONFLICT (event_id, date) DO UPDATE
       SET tickets_sold = d.tickets_sold + excluded.tickets_sold,
           tickets_returned = d.tickets_returned + excluded.tickets_returned,
           revenue = d.revenue + excluded.revenue
)
UPDATE event_sales_kept SET version = $3 WHERE event_id = $1
