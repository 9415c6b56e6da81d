-- A venue, held until the transaction ends against changes and against events that would be
-- created at it; no row: there is none with this id.
SELECT venue_id, name, address, city, state, country, postal_code, capacity, layout_config,
       created_by, created_at, updated_at
  FROM venues
 WHERE venue_id = $1
   FOR UPDATE
