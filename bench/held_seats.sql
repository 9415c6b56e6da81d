-- Adds event number :event, with :seats free seats and :holds holds of one seat each, which expire in :due
-- seconds. The ids of the holds are md5('hold 1'), md5('hold 2'), ...
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, held_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by,
                    event_type_folded)
SELECT md5(':event')::uuid, 'A Night for Many', '', md5('venue 1')::uuid, 'concert',
       now() + interval '30 days', now() + interval '31 days', :seats + :holds, :seats, :holds, 25.50,
       10, 'published', 3, 2, md5('admin')::uuid, 'concert';

INSERT INTO event_ledger (event_id, version, kind, seat_delta, held_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
VALUES (md5(':event')::uuid, 1, 'created', 0, 0, :seats + :holds, 0, :seats + :holds, 'draft', 'seed-1',
        '', 'bench', ''),
       (md5(':event')::uuid, 2, 'published', 0, 0, 0, 0, :seats + :holds, 'published', 'seed-2', '',
        'bench', ''),
       (md5(':event')::uuid, 3, 'held', -:holds, :holds, 0, 0, :seats, 'published', 'seed-3', '', 'bench',
        '');

INSERT INTO event_holds (event_id, hold_id, quantity, unit_price, status, held_at, expires_at, retaken)
SELECT md5(':event')::uuid, md5('hold ' || n)::uuid, 1, 25.50, 'held', now(),
       now() + make_interval(secs => :due), false
  FROM generate_series(1, :holds) AS n;
