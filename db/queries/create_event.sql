-- Makes an event and its first ledger row; no row means that the venue is gone or too small by now.
WITH held AS (
    SELECT venue_id FROM venues WHERE venue_id = $4::uuid AND capacity >= $8::integer FOR SHARE
),
made AS (
    INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                        end_datetime, total_capacity, available_seats, base_price,
                        max_tickets_per_booking, status, version, terms_version, created_by)
    SELECT $1::uuid, $2, $3, venue_id, $5, $6, $7, $8, $8, $9, $10, 'draft', 1, 1, $11::uuid
      FROM held
    RETURNING event_id
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id, changes)
SELECT event_id, 1, 'created', 0, $8, 0, $8, 'draft', $12, 'create', $13, $14, $15::text::jsonb
  FROM made
RETURNING event_id, recorded_at;
