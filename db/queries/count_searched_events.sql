-- How many events search_events finds with the same filters; always one row.
SELECT count(*) AS total
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE {searched_event}
