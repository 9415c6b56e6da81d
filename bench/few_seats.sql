-- Adds event number :event, with :seats seats.
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by,
                    event_type_folded)
SELECT md5(':event')::uuid, 'Club Night', '', md5('venue 1')::uuid, 'concert',
       now() + interval '30 days', now() + interval '31 days', :seats, :seats, 25.50, 10,
       'published', 2, 2, md5('admin')::uuid, 'concert';

INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
VALUES (md5(':event')::uuid, 1, 'created', 0, :seats, 0, :seats, 'draft', 'seed-1', '', 'bench', ''),
       (md5(':event')::uuid, 2, 'published', 0, 0, 0, :seats, 'published', 'seed-2', '', 'bench', '');
