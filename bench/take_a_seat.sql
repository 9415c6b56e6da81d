-- The work of the database for one booking by a service without actors, in one round trip: take the
-- seat if there is one, and add its ledger row. pgbench sets :n, the number of the event.
WITH moved AS (
    UPDATE events
       SET available_seats = available_seats - 1, revenue = revenue + base_price,
           version = version + 1, updated_at = now()
     WHERE event_id = md5(:n::text)::uuid AND available_seats >= 1
    RETURNING event_id, version, base_price, available_seats, status
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT event_id, version, 'reserved', -1, 0, base_price, available_seats, status,
       'pgbench-' || version, '{"quantity":-1}', 'pgbench', 'pgbench-' || version
  FROM moved;
