-- The version of event $1, and the one up to which its sums are kept; no row: there is no such event.
SELECT e.version, coalesce(k.version, 0) AS kept
  FROM events AS e
  LEFT JOIN event_sales_kept AS k USING (event_id)
 WHERE e.event_id = $1
