-- Moves each event from its base version and notes every version in the ledger. Where event_ids is
-- null, all were moved; else an event that is not among them had another version (or a venue too
-- small for its new capacity) and is unchanged.
WITH held AS (
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
           updated_at = now(),
           name = coalesce(b.edit ->> 'name', e.name),
           description = coalesce(b.edit ->> 'description', e.description),
           venue_id = coalesce((b.edit ->> 'venue_id')::uuid, e.venue_id),
           event_type = coalesce(b.edit ->> 'event_type', e.event_type),
           start_datetime = coalesce((b.edit ->> 'start_datetime')::timestamptz, e.start_datetime),
           end_datetime = coalesce((b.edit ->> 'end_datetime')::timestamptz, e.end_datetime),
           base_price = coalesce((b.edit ->> 'base_price')::numeric, e.base_price),
           max_tickets_per_booking =
               coalesce((b.edit ->> 'max_tickets_per_booking')::integer, e.max_tickets_per_booking),
           total_capacity = coalesce((b.edit ->> 'total_capacity')::integer, e.total_capacity)
      FROM (SELECT event_id, base_version, version, seat_delta, money_delta, status, terms_version,
                   changes::jsonb AS edit
              FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[],
                          $6::text[], $7::bigint[], $8::text[])
                   AS u (event_id, base_version, version, seat_delta, money_delta, status,
                         terms_version, changes)) AS b
     WHERE e.event_id = b.event_id
       AND e.version = b.base_version
       AND (b.edit ->> 'venue_id' IS NULL
            OR EXISTS (SELECT FROM held AS h
                        WHERE h.venue_id = (b.edit ->> 'venue_id')::uuid
                          AND h.capacity >= (b.edit ->> 'total_capacity')::integer))
    RETURNING e.event_id
),
noted AS (
    INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                              available_seats, status, request_key, request, caller, request_id,
                              changes)
    SELECT l.event_id, l.version, l.kind, l.seat_delta, l.capacity_delta, l.money_delta::numeric,
           l.available_seats, l.status, l.request_key, l.request, l.caller, l.request_id,
           l.changes::jsonb
      FROM unnest($9::uuid[], $10::bigint[], $11::text[], $12::integer[], $13::integer[],
                  $14::text[], $15::integer[], $16::text[], $17::text[], $18::text[], $19::text[],
                  $20::text[], $21::text[])
           AS l (event_id, version, kind, seat_delta, capacity_delta, money_delta, available_seats,
                 status, request_key, request, caller, request_id, changes)
      JOIN moved USING (event_id)
)
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids;
