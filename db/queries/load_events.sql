-- The committed rows of these events, each with the database's time; an unknown event is a row of nulls.
SELECT now() AS clock,
       e.event_id, e.name, e.description, e.venue_id, e.event_type, e.start_datetime,
       e.end_datetime, e.total_capacity, e.available_seats, e.base_price,
       e.max_tickets_per_booking, e.status, e.version, e.terms_version, e.revenue,
       e.created_by, e.created_at, e.updated_at
  FROM (SELECT now()) AS t
  LEFT JOIN events AS e ON e.event_id = ANY ($1::uuid[]);
