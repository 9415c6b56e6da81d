-- What became of the events: see the statements that end with it.
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT e.event_id::text
                          FROM {batch_rows:1} AS u
                          JOIN events AS e
                            ON e.event_id = u.event_id AND e.version = u.base_version
                           AND e.fence = u.base_fence
                         WHERE u.changes::jsonb ->> 'venue_id' IS NOT NULL
                           AND NOT EXISTS (
                               SELECT FROM held AS h
                                WHERE h.venue_id = (u.changes::jsonb ->> 'venue_id')::uuid
                                  AND h.capacity >= (u.changes::jsonb ->> 'total_capacity')::integer))
        END AS no_room
