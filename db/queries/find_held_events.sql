-- Which of the events $1 another transaction holds, and which of them wait for a venue ($2, or null) that one
-- holds. It waits for neither; what it locks itself is unlocked when its caller rolls back.
WITH free AS (
    SELECT event_id FROM events WHERE event_id = ANY ($1::uuid[])
       FOR NO KEY UPDATE SKIP LOCKED
),
open AS (
    SELECT venue_id FROM venues WHERE venue_id = ANY ($2::uuid[])
       FOR SHARE SKIP LOCKED
)
SELECT asked.event_id::text,
       asked.event_id NOT IN (SELECT event_id FROM free)
           AND EXISTS (SELECT FROM events AS e WHERE e.event_id = asked.event_id) AS event_held,
       asked.venue_id IS NOT NULL
           AND asked.venue_id NOT IN (SELECT venue_id FROM open)
           AND EXISTS (SELECT FROM venues AS v WHERE v.venue_id = asked.venue_id) AS venue_held
  FROM unnest($1::uuid[], $2::uuid[]) AS asked (event_id, venue_id)
