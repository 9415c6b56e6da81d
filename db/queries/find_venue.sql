-- A venue by its id; no row: no such venue.
SELECT venue_id, name, address, city, state, country, postal_code, capacity, layout_config, timezone,
       created_by, created_at, updated_at
  FROM venues
 WHERE venue_id = $1
