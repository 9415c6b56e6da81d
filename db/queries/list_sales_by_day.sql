-- What event $1 has sold by now, and on each UTC day, oldest first, all as of its version: the kept
-- sums and what came since. Where no seat moved there is one row without a date; no row: there is no
-- such event.
WITH sold AS MATERIALIZED (
    SELECT e.created_by, e.total_capacity, e.available_seats, e.held_seats, e.held_back_seats,
           e.revenue AS money, e.version,
           e.archived_version > 0 AS archived, coalesce(k.version, 0) AS kept
      FROM events AS e
      LEFT JOIN event_sales_kept AS k USING (event_id)
     WHERE e.event_id = $1
),
days AS (
    SELECT date,
           sum(tickets_sold)::bigint AS tickets_sold,
           sum(tickets_returned)::bigint AS tickets_returned,
           sum(revenue) AS revenue
      FROM (SELECT date, tickets_sold, tickets_returned, revenue
              FROM event_sales_by_day
             WHERE event_id = $1
             UNION ALL
            (SELECT (l.recorded_at AT TIME ZONE 'UTC')::date AS date,
                    {sums_of_sales}
               FROM event_ledger AS l
              WHERE l.event_id = $1
                AND l.version > (SELECT kept FROM sold)
                AND l.version <= (SELECT version FROM sold)
                AND l.seat_delta + l.held_delta + l.held_back_delta <> 0
              GROUP BY 1)) AS part
     GROUP BY date
)
SELECT sold.created_by, sold.total_capacity, sold.available_seats, sold.held_seats, sold.held_back_seats,
       sold.money, sold.version, sold.archived,
       days.date, days.tickets_sold, days.tickets_returned, days.revenue
  FROM sold
  LEFT JOIN days ON true
 ORDER BY days.date
