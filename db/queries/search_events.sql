-- A page of the events of admin $1, or of all for null, that pass each filter that is given: a stored
-- status of $2, ended or not ($3), the folded text $4 in the name, the venue's name or its city, on in
-- [$5, $6), needing attention ($7). By start, the latest first if $8. No row: the page is past the end.
SELECT {listed_event}
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE {searched_event}
 ORDER BY CASE WHEN NOT $8::boolean THEN e.start_datetime END,
          CASE WHEN $8::boolean THEN e.start_datetime END DESC,
          e.event_id
 LIMIT $9 OFFSET $10
