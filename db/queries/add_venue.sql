-- Adds a venue; returns it as stored.
INSERT INTO venues (venue_id, name, address, city, state, country, postal_code, capacity,
                    layout_config, timezone, name_folded, address_folded, city_folded, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
RETURNING venue_id, name, address, city, state, country, postal_code, capacity, layout_config, timezone,
          created_by, created_at, updated_at
