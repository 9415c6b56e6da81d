-- Adds the events that are not there yet, each with all its ledger rows; an event that is not
-- returned was there already, or its venue is too small by now, and is unchanged.
WITH held AS (
    SELECT venue_id, capacity FROM venues WHERE venue_id = ANY ($4::uuid[]) FOR SHARE
),
made AS (
    INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                        end_datetime, total_capacity, available_seats, base_price,
                        max_tickets_per_booking, status, version, terms_version, created_by)
    SELECT event_id, name, description, venue_id, event_type, start_datetime, end_datetime,
           total_capacity, available_seats, base_price, max_tickets_per_booking, status, version,
           terms_version, $15::uuid
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[],
                  $7::timestamptz[], $8::integer[], $9::integer[], $10::numeric[], $11::integer[],
                  $12::text[], $13::bigint[], $14::bigint[])
           AS given (event_id, name, description, venue_id, event_type, start_datetime,
                     end_datetime, total_capacity, available_seats, base_price,
                     max_tickets_per_booking, status, version, terms_version)
      JOIN held USING (venue_id)
     WHERE capacity >= total_capacity
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
),
noted AS (
    INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                              available_seats, status, request_key, request, caller, request_id,
                              changes)
    SELECT l.event_id, l.version, l.kind, l.seat_delta, l.capacity_delta, l.money_delta,
           l.available_seats, l.status, l.request_key, l.request, l.caller, l.request_id,
           l.changes::jsonb
      FROM unnest($16::uuid[], $17::bigint[], $18::text[], $19::integer[], $20::integer[],
                  $21::numeric[], $22::integer[], $23::text[], $24::text[], $25::text[], $26::text[],
                  $27::text[], $28::text[])
           AS l (event_id, version, kind, seat_delta, capacity_delta, money_delta, available_seats,
                 status, request_key, request, caller, request_id, changes)
      JOIN made USING (event_id)
)
SELECT event_id FROM made
