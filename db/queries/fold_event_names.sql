-- The folded forms of events whose names are still the ones given, one to a row of the arrays, of those
-- that nobody else is writing; a row for each that was folded.
UPDATE events AS e
   SET name_folded = given.name_folded
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (event_id, name, name_folded)
 WHERE e.event_id IN (SELECT event_id
                        FROM events
                       WHERE event_id = ANY ($1)
                         FOR NO KEY UPDATE SKIP LOCKED)
   AND e.event_id = given.event_id
   AND e.name = given.name
RETURNING e.event_id
