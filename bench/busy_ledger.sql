-- Adds :versions versions to event number :event: a seat is sold, and comes back, over and over.
WITH rows AS (
    INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                              available_seats, status, request_key, request, caller, request_id,
                              recorded_at)
    SELECT e.event_id, e.version + n,
           CASE n % 2 WHEN 1 THEN 'reserved' ELSE 'returned' END,
           CASE n % 2 WHEN 1 THEN -1 ELSE 1 END, 0, CASE n % 2 WHEN 1 THEN 25.50 ELSE -25.50 END,
           e.available_seats - n % 2, 'published', 'busy-' || e.version + n, 'busy', 'bench', 'busy',
           now() - (90 * (1 - n / :versions::float8)) * interval '1 day'
      FROM events AS e, generate_series(1, :versions) AS n
     WHERE e.event_id = md5(':event')::uuid
)
UPDATE events SET version = version + :versions WHERE event_id = md5(':event')::uuid;
