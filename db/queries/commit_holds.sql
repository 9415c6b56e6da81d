-- Does what commit_moves does, for batches that change holds as well.
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
{write_ledger},
{keep_holds}
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids,
       ARRAY[]::text[] AS no_room;
