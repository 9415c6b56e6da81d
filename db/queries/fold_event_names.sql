-- The folded forms of events whose names are still the ones given, one to a row of the arrays, of those
-- that nobody else is writing; a row for each that was folded.
-- They are locked once, whatever plan is made for arrays of any length: a join that locked them again for
-- each of its rows took a second for a thousand.
WITH free AS MATERIALIZED (
    SELECT event_id
      FROM events
     WHERE event_id = ANY ($1)
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE events AS e
   SET name_folded = given.name_folded
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS given (event_id, name, name_folded)
  JOIN free USING (event_id)
 WHERE e.event_id = given.event_id
   AND e.name = given.name
RETURNING e.event_id
