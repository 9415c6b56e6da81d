-- The events with holds that are stored as held, or with blocks that are stored as kept back, whose time
-- passed $1 seconds ago or more. It jumps from one event to the next in an index of what is held, so it costs
-- as much as there are events with holds; the blocks that are due stand first in an index of their own.
WITH RECURSIVE holding AS (
    SELECT (SELECT event_id FROM event_holds
             WHERE status = 'held' ORDER BY event_id LIMIT 1) AS event_id
    UNION ALL
    SELECT (SELECT h.event_id FROM event_holds AS h
             WHERE h.status = 'held' AND h.event_id > holding.event_id
             ORDER BY h.event_id LIMIT 1)
      FROM holding
     WHERE holding.event_id IS NOT NULL
)
SELECT event_id
  FROM holding
 WHERE EXISTS (SELECT FROM event_holds AS d
                WHERE d.event_id = holding.event_id AND d.status = 'held'
                  AND d.expires_at <= now() - make_interval(secs => $1))
 UNION
SELECT event_id
  FROM events
 WHERE next_release_at <= now() - make_interval(secs => $1)
