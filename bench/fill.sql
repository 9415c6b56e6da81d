-- Adds the events of numbers $1 to $2 with $3 versions each, every one of them in the ledger: created,
-- published, and then a seat sold by each version, over the last ninety days. Of two events one is over.
-- Events that exist stay as they are. Venues and ids are those of seed.sql, in another range of numbers.
WITH made AS (
    SELECT md5('fill ' || n)::uuid AS event_id, n,
           (ARRAY ['concert', 'sport', 'theatre', 'comedy', 'festival'])[1 + n % 5] AS kind,
           date_trunc('hour', now())
               + CASE n % 2 WHEN 0 THEN -1 ELSE 1 END * (2 + n % 8760) * interval '1 hour' AS begins
      FROM generate_series($1::integer, $2::integer) AS n
     WHERE NOT EXISTS (SELECT FROM events WHERE event_id = md5('fill ' || n)::uuid)
),
listed AS (
    INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                        end_datetime, total_capacity, available_seats, base_price,
                        max_tickets_per_booking, status, version, terms_version, revenue,
                        created_by, event_type_folded)
    SELECT event_id, 'A Long Season, Night ' || n,
           repeat('The new songs, the old ones, and those that were never recorded. ', 3),
           md5('fill venue ' || n % 1000)::uuid,
           kind,
           begins, begins + interval '3 hours', 50000, 50002 - $3::integer, 25.50, 10,
           'published', $3, 2, ($3 - 2) * 25.50, md5('admin')::uuid, kind
      FROM made
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id,
                          recorded_at)
SELECT event_id, version,
       CASE version WHEN 1 THEN 'created' WHEN 2 THEN 'published' ELSE 'reserved' END,
       CASE WHEN version > 2 THEN -1 ELSE 0 END,
       CASE version WHEN 1 THEN 50000 ELSE 0 END,
       CASE WHEN version > 2 THEN 25.50 ELSE 0 END,
       50000 - greatest(version - 2, 0),
       CASE version WHEN 1 THEN 'draft' ELSE 'published' END,
       'fill-' || version, 'fill', 'bench', 'fill',
       now() - (90 * (1 - version / $3::float8)) * interval '1 day'
  FROM made, generate_series(1, $3) AS version
 ORDER BY event_id, version
