-- Moves the events that are as their batches found them; what refuses more of them follows.
    UPDATE events AS e
       SET available_seats = e.available_seats + b.seat_delta,
           revenue = e.revenue + b.money_delta::numeric,
           status = b.status,
           version = b.version,
           terms_version = b.terms_version,
           updated_at = CASE WHEN e.version = b.version THEN e.updated_at ELSE now() END,
           fence = b.fence,
           {edits}
      FROM (SELECT event_id, base_version, version, seat_delta, money_delta, status, terms_version,
                   changes::jsonb AS edit, before_start, base_fence, fence
              FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[],
                          $6::text[], $7::bigint[], $8::text[], $22::boolean[],
                          $23::bigint[], $24::bigint[])
                   AS u (event_id, base_version, version, seat_delta, money_delta, status,
                         terms_version, changes, before_start, base_fence, fence)) AS b
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
