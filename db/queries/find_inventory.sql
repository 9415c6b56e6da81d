-- Where the seats of event $1 are and what became of its holds, all as of its version; no row: there is no
-- such event. A hold whose time has passed has expired, whether that was written or not: `held_seats` tells
-- how many seats are in those that are stored as held. Of an archived event, what became of its holds was noted.
SELECT e.created_by, e.version, e.total_capacity, e.available_seats, e.held_seats, e.held_back_seats, e.holdbacks,
       CASE WHEN e.status IN ('published', 'sold_out') AND e.end_datetime <= now()
            THEN 'completed' ELSE e.status END AS status,
       h.*
  FROM events AS e
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE status = 'held' AND expires_at > now()) AS active,
              min(expires_at) FILTER (WHERE status = 'held' AND expires_at > now()) AS next_expires_at,
              count(*) FILTER (WHERE status = 'confirmed') AS confirmed,
              count(*) FILTER (WHERE status = 'released') AS released,
              count(*) FILTER (WHERE status = 'expired' OR (status = 'held' AND expires_at <= now()))
                  AS expired,
              count(*) FILTER (WHERE retaken) AS retaken
         FROM event_holds
        WHERE event_id = e.event_id
       HAVING e.archived_version = 0
        UNION ALL
       SELECT 0, NULL, holds_confirmed, holds_released, holds_expired, holds_retaken
         FROM archived_ledgers
        WHERE event_id = e.event_id) AS h
 WHERE e.event_id = $1
