-- Moves each event from its base version and fence, and writes a ledger row for every version and a
-- row for every final refusal. Where event_ids is null, all were moved; else those that are not among
-- them are unchanged: for those in no_room the venue had no room, the others had another version or
-- fence, have started, or hold one of the keys.
--
-- The look-up of keys (`taken`) is exact: whatever writes an event's keys moves its version or fence
-- in the same transaction, so an event that still has both was not written since this statement
-- began to look. A key that is asked to move seats and is in the ledger meets its unique index.
WITH taken AS (
    SELECT k.event_id
      FROM unnest($25::uuid[], $26::text[], $27::text[]) AS k (event_id, request_key, caller)
     WHERE (SELECT true FROM event_refusals AS r
             WHERE (r.event_id, r.request_key, r.caller) = (k.event_id, k.request_key, k.caller))
        OR (SELECT true FROM event_ledger AS l
             WHERE (l.event_id, l.request_key, l.caller) = (k.event_id, k.request_key, k.caller))
    UNION ALL
    -- A refusal was written only where the fence has moved.
    SELECT k.event_id
      FROM unnest($9::uuid[], $17::text[], $19::text[]) AS k (event_id, request_key, caller)
     WHERE 0 < ANY ($23::bigint[])
       AND (SELECT true FROM event_refusals AS r
             WHERE (r.event_id, r.request_key, r.caller) = (k.event_id, k.request_key, k.caller))
),
held AS (
    SELECT v.venue_id, v.capacity
      FROM venues AS v
     WHERE v.venue_id IN (SELECT (c::jsonb ->> 'venue_id')::uuid FROM unnest($8::text[]) AS c
                           WHERE c IS NOT NULL)
       FOR SHARE
),
moved AS (
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
       AND e.event_id NOT IN (SELECT event_id FROM taken)
       -- A draft has no buyers, so its old start does not matter.
       AND (NOT b.before_start
            OR ((e.status = 'draft' OR e.start_datetime > clock_timestamp())
                AND coalesce((b.edit ->> 'start_datetime')::timestamptz, e.start_datetime)
                    > clock_timestamp()))
       AND (b.edit ->> 'venue_id' IS NULL
            OR EXISTS (SELECT FROM held AS h
                        WHERE h.venue_id = (b.edit ->> 'venue_id')::uuid
                          AND h.capacity >= (b.edit ->> 'total_capacity')::integer))
    RETURNING e.event_id
),
noted AS (
    INSERT INTO event_ledger ({ledger_columns})
    SELECT {ledger_values}
      FROM unnest({ledger_arrays:9}) AS l ({ledger_columns})
      JOIN moved USING (event_id)
),
refused AS (
    INSERT INTO event_refusals (event_id, request_key, caller, request, refusal)
    SELECT r.event_id, r.request_key, r.caller, r.request, r.refusal::jsonb
      FROM unnest($25::uuid[], $26::text[], $27::text[], $28::text[], $29::text[])
           AS r (event_id, request_key, caller, request, refusal)
      JOIN moved USING (event_id)
     WHERE r.refusal IS NOT NULL
)
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT e.event_id::text
                          FROM unnest($1::uuid[], $2::bigint[], $8::text[], $23::bigint[])
                               AS u (event_id, base_version, changes, base_fence)
                          JOIN events AS e
                            ON e.event_id = u.event_id AND e.version = u.base_version
                           AND e.fence = u.base_fence
                         WHERE u.changes::jsonb ->> 'venue_id' IS NOT NULL
                           AND NOT EXISTS (
                               SELECT FROM held AS h
                                WHERE h.venue_id = (u.changes::jsonb ->> 'venue_id')::uuid
                                  AND h.capacity >= (u.changes::jsonb ->> 'total_capacity')::integer))
        END AS no_room;
