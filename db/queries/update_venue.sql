-- Writes every field of a venue that admins set; returns it as stored. The caller has locked it.
UPDATE venues
   SET name = $2, address = $3, city = $4, state = $5, country = $6, postal_code = $7,
       capacity = $8, layout_config = $9, timezone = $10, name_folded = $11, address_folded = $12,
       city_folded = $13, updated_at = clock_timestamp()
 WHERE venue_id = $1
RETURNING venue_id, name, address, city, state, country, postal_code, capacity, layout_config, timezone,
          created_by, created_at, updated_at
