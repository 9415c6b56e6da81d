-- The $2 search documents after the event $1, in the order of their ids; no row: those were all.
SELECT event_id, version, status, name, description, event_type, start_datetime, end_datetime,
       base_price, total_capacity, available_seats, max_tickets_per_booking, updated_at,
       venue_id, venue_name, venue_address, venue_city, venue_state, venue_country,
       venue_postal_code
  FROM search_documents
 WHERE event_id > $1
 ORDER BY event_id
 LIMIT $2
