-- Moves the events that are as their batches found them; what refuses more of them follows.
    UPDATE events AS e
       SET {moves},
           updated_at = CASE WHEN e.version = b.version THEN e.updated_at ELSE now() END,
           {edits}
      FROM (SELECT *, changes::jsonb AS edit FROM {batch_rows:1}) AS b
     WHERE e.event_id = b.event_id
       AND e.version = b.base_version
       AND e.fence = b.base_fence
       -- A draft has no buyers, so its old start does not matter.
       AND (NOT b.before_start
            OR ((e.status = 'draft' OR e.start_datetime > clock_timestamp())
                AND coalesce((b.edit ->> 'start_datetime')::timestamptz, e.start_datetime)
                    > clock_timestamp()))
       AND (b.edit ->> 'venue_id' IS NULL
            OR EXISTS (SELECT FROM held AS h
                        WHERE h.venue_id = (b.edit ->> 'venue_id')::uuid
                          AND h.capacity >= (b.edit ->> 'total_capacity')::integer))
