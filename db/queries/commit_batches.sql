-- Moves each event from its base version and fence, and writes a ledger row for every version, the rows of
-- its holds, a row for every final refusal, and one for every change that the feed tells of. Where event_ids
-- is null, all were moved; else those that are not among them are unchanged: for those in no_room the venue
-- had no room, the others had another version or fence, are not on sale or have started, or have one of the keys.
--
-- The look-up of keys (`taken`) is exact: whatever writes an event's keys moves its version or fence
-- in the same transaction, so an event that still has both was not written since this statement
-- began to look. A key that is asked to move seats and is in the ledger meets its unique index.
WITH taken AS (
    SELECT k.event_id
      FROM {refusal_rows:4} AS k
     WHERE (SELECT true FROM event_refusals AS r
             WHERE (r.event_id, r.request_key, r.caller) = (k.event_id, k.request_key, k.caller))
        OR (SELECT true FROM event_ledger AS l
             WHERE (l.event_id, l.request_key, l.caller) = (k.event_id, k.request_key, k.caller))
    UNION ALL
    -- A refusal was written only where the fence has moved.
    SELECT k.event_id
      FROM {ledger_rows:2} AS k
     WHERE (SELECT true FROM event_refusals AS r
             WHERE (r.event_id, r.request_key, r.caller) = (k.event_id, k.request_key, k.caller))
),
held AS (
    SELECT v.venue_id, v.capacity
      FROM venues AS v
     WHERE v.venue_id IN (SELECT (changes::jsonb ->> 'venue_id')::uuid FROM {batch_rows:1}
                           WHERE changes IS NOT NULL)
       FOR SHARE
),
moved AS (
    UPDATE events AS e
       SET {moves},
           updated_at = CASE WHEN e.version = b.version THEN e.updated_at ELSE now() END,
           {edits}
      FROM (SELECT *, changes::jsonb AS edit FROM {batch_rows:1}) AS b
     WHERE e.event_id = b.event_id
       AND e.version = b.base_version
       AND e.fence = b.base_fence
       AND {in_time}
       AND (NOT b.schedules
            OR coalesce((b.edit ->> 'start_datetime')::timestamptz, e.start_datetime)
               > clock_timestamp())
       AND (b.edit ->> 'venue_id' IS NULL
            OR EXISTS (SELECT FROM held AS h
                        WHERE h.venue_id = (b.edit ->> 'venue_id')::uuid
                          AND h.capacity >= (b.edit ->> 'total_capacity')::integer))
       AND e.event_id NOT IN (SELECT event_id FROM taken)
    RETURNING e.event_id
),
{write_ledger},
{keep_holds},
refused AS (
    INSERT INTO event_refusals (event_id, request_key, caller, request, refusal)
    SELECT r.event_id, r.request_key, r.caller, r.request, r.refusal::jsonb
      FROM {refusal_rows:4} AS r
      JOIN moved USING (event_id)
     WHERE r.refusal IS NOT NULL
),
told AS (
    INSERT INTO event_changes (position, event_id, version, kinds, data, available_seats, status)
    SELECT {position}, c.event_id, c.version, string_to_array(c.kinds, ','), c.data::jsonb,
           c.available_seats, c.status
      FROM {change_rows:5} AS c
      JOIN moved USING (event_id)
)
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
        END AS no_room;
