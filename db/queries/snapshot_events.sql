-- Up to $2 events after $1 that were ever published, by id; no row: there are no more.
SELECT {listed_event}
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE e.event_id > $1::uuid
   AND e.status <> 'draft'
   AND NOT e.cancelled_as_draft
 ORDER BY e.event_id
 LIMIT $2
