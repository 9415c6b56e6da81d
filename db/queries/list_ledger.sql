-- The versions ($3, $2] of an event, newest first; no row: the ledger has none of them.
SELECT version, kind, caller, seat_delta, changes, available_seats, status, request_id,
       recorded_at, held_delta, held_back_delta, hold ->> 'hold_id' AS hold_id
  FROM event_ledger
 WHERE event_id = $1
   AND version <= $2
   AND version > $3
 ORDER BY version DESC
