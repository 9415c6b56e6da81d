-- Does what commit_batches does, for batches that edit, hold and refuse nothing and have no news for the feed
-- of changes, of events that never refused a key: there are no keys to look up then, no venues to hold, and
-- no field but the moved ones to write.
WITH moved AS (
    UPDATE events AS e
       SET {moves},
           updated_at = now()
      FROM {batch_rows:1} AS b
     WHERE e.event_id = b.event_id
       AND e.version = b.base_version
       AND e.fence = b.base_fence
       AND {in_time}
    RETURNING e.event_id
),
{write_ledger}
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids,
       ARRAY[]::text[] AS no_room;
