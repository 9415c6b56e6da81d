-- The venues that a change needs room at, held so that they keep it.
held AS (
    SELECT v.venue_id, v.capacity
      FROM venues AS v
     WHERE v.venue_id IN (SELECT (c::jsonb ->> 'venue_id')::uuid FROM unnest($8::text[]) AS c
                           WHERE c IS NOT NULL)
       FOR SHARE
)
