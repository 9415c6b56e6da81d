-- Adds the venues that do not exist yet, given as arrays; returns one row for each venue added.
INSERT INTO venues (venue_id, name, address, city, state, country, postal_code, capacity, created_by)
SELECT venue_id, name, address, city, state, country, postal_code, capacity, $9::uuid
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::integer[])
       AS given (venue_id, name, address, city, state, country, postal_code, capacity)
ON CONFLICT (venue_id) DO NOTHING
RETURNING venue_id
