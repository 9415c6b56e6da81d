-- Fills a new database with :events events on sale at 100 venues, each with its whole ledger.
-- The ids of the events are md5('1'), md5('2'), ...: as scattered as random ids.
-- Half of the seats of the second event are sold, so that seats can be returned to it.
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by, name_folded,
                    address_folded, city_folded)
SELECT md5('venue ' || n)::uuid, 'The Great Hall number ' || n, n || ' Main Street',
       'City ' || n % 20, 'US', 50000000, md5('admin')::uuid,
       'the great hall number ' || n, n || ' main street', 'city ' || n % 20
  FROM generate_series(1, 100) AS n;

INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, revenue, created_by,
                    event_type_folded)
SELECT md5(n::text)::uuid,
       'An Evening with Artist ' || n,
       repeat('The new songs, the old ones, and those that were never recorded. ', 3),
       md5('venue ' || 1 + n % 100)::uuid,
       (ARRAY ['concert', 'sport', 'theatre', 'comedy', 'festival'])[1 + n % 5],
       begins, begins + interval '3 hours',
       50000000, CASE n WHEN 2 THEN 25000000 ELSE 50000000 END, 25.50, 10,
       'published', CASE n WHEN 2 THEN 3 ELSE 2 END, 2,
       CASE n WHEN 2 THEN 25000000 * 25.50 ELSE 0 END,
       md5('admin')::uuid,
       (ARRAY ['concert', 'sport', 'theatre', 'comedy', 'festival'])[1 + n % 5]
  FROM generate_series(1, :events) AS n,
       LATERAL (SELECT date_trunc('hour', now()) + interval '2 days'
                       + (n - 1) * (interval '365 days' / :events)) AS t (begins);

INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT md5(n::text)::uuid, version, kind, seat_delta, capacity_delta, money_delta,
       available_seats, status, 'seed-' || version, kind, 'bench', 'seed'
  FROM generate_series(1, :events) AS n,
       (VALUES (1, 'created', 0, 50000000, 0, 50000000, 'draft'),
               (2, 'published', 0, 0, 0, 50000000, 'published'),
               (3, 'reserved', -25000000, 0, 25000000 * 25.50, 25000000, 'published'))
           AS l (version, kind, seat_delta, capacity_delta, money_delta, available_seats, status)
 WHERE version < 3 OR n = 2;
