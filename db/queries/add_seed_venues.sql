-- Adds the venues that do not exist yet, given as arrays; returns one row for each venue added.
INSERT INTO venues (venue_id, name, address, city, state, country, postal_code, capacity, name_folded,
                    address_folded, city_folded, timezone, created_by)
SELECT venue_id, name, address, city, state, country, postal_code, capacity, name_folded,
       address_folded, city_folded, timezone, $13::uuid
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::integer[], $9::text[], $10::text[], $11::text[], $12::text[])
       AS given (venue_id, name, address, city, state, country, postal_code, capacity, name_folded,
                 address_folded, city_folded, timezone)
ON CONFLICT (venue_id) DO NOTHING
RETURNING venue_id
