-- Adds the venues that are not there yet, one to a row of the arrays; one row for each that was added.
INSERT INTO venues (venue_id, name, address, city, state, country, postal_code, capacity, created_by)
SELECT venue_id, name, address, city, state, country, postal_code, capacity, $9::uuid
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
              $8::integer[])
       AS given (venue_id, name, address, city, state, country, postal_code, capacity)
ON CONFLICT (venue_id) DO NOTHING
RETURNING venue_id
