-- What event $1, as of version $2, sold and took back in each hour or minute ($5) of [$3, $4), oldest
-- first; no row: no seat moved then.
-- Versions follow the clock, so where each bound lies in them is found by halving: some twenty rows are
-- read for it, however long the ledger is.
WITH RECURSIVE halved (at, low, high) AS (
    SELECT DISTINCT at, 1::bigint, $2::bigint + 1
      FROM unnest(ARRAY[$3::timestamptz, $4::timestamptz]) AS at
     UNION ALL
    SELECT b.at,
           CASE WHEN l.recorded_at < b.at THEN l.version + 1 ELSE b.low END,
           CASE WHEN l.recorded_at < b.at THEN b.high ELSE l.version END
      FROM halved AS b
      JOIN event_ledger AS l ON l.event_id = $1 AND l.version = (b.low + b.high) / 2
     WHERE b.low < b.high
)
SELECT date_trunc($5, l.recorded_at, 'UTC') AS start,
       {sums_of_sales}
  FROM event_ledger AS l
 WHERE l.event_id = $1
   AND l.version >= (SELECT low FROM halved WHERE at = $3 AND low = high)
   AND l.version < (SELECT low FROM halved WHERE at = $4 AND low = high)
   AND l.recorded_at >= $3
   AND l.recorded_at < $4
   AND l.seat_delta + l.held_delta + l.held_back_delta <> 0
 GROUP BY 1
 ORDER BY 1
