-- Moves each event from its base version and writes a ledger row for every version. Where event_ids
-- is null, all were moved; else those that are not among them are unchanged: for those in no_room
-- the venue had no room, the others had another version or have started.
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
           {edits}
      FROM (SELECT event_id, base_version, version, seat_delta, money_delta, status, terms_version,
                   changes::jsonb AS edit, before_start
              FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[],
                          $6::text[], $7::bigint[], $8::text[], $22::boolean[])
                   AS u (event_id, base_version, version, seat_delta, money_delta, status,
                         terms_version, changes, before_start)) AS b
     WHERE e.event_id = b.event_id
       AND e.version = b.base_version
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
)
SELECT now() AS committed_at,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT event_id::text FROM moved)
        END AS event_ids,
       CASE WHEN (SELECT count(*) FROM moved) < cardinality($1)
            THEN ARRAY (SELECT e.event_id::text
                          FROM unnest($1::uuid[], $2::bigint[], $8::text[])
                               AS u (event_id, base_version, changes)
                          JOIN events AS e
                            ON e.event_id = u.event_id AND e.version = u.base_version
                         WHERE u.changes::jsonb ->> 'venue_id' IS NOT NULL
                           AND NOT EXISTS (
                               SELECT FROM held AS h
                                WHERE h.venue_id = (u.changes::jsonb ->> 'venue_id')::uuid
                                  AND h.capacity >= (u.changes::jsonb ->> 'total_capacity')::integer))
        END AS no_room;
