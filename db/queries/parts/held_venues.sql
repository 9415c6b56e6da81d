-- The venues that a change needs room at, held so that they keep it.
held AS (
    SELECT v.venue_id, v.capacity
      FROM venues AS v
     WHERE v.venue_id IN (SELECT (changes::jsonb ->> 'venue_id')::uuid FROM {batch_rows:1}
                           WHERE changes IS NOT NULL)
       FOR SHARE
)
