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
      FROM {refusal_rows:3} AS k
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
{held_venues},
moved AS (
    {move_events}
       AND e.event_id NOT IN (SELECT event_id FROM taken)
    RETURNING e.event_id
),
{write_ledger},
refused AS (
    INSERT INTO event_refusals (event_id, request_key, caller, request, refusal)
    SELECT r.event_id, r.request_key, r.caller, r.request, r.refusal::jsonb
      FROM {refusal_rows:3} AS r
      JOIN moved USING (event_id)
     WHERE r.refusal IS NOT NULL
)
{report_moved};
