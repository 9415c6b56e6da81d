-- Writes the folded forms of venues whose texts are still the ones given, one to a row of the arrays;
-- returns nothing.
UPDATE venues AS v
   SET name_folded = given.name_folded, address_folded = given.address_folded,
       city_folded = given.city_folded
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
       AS given (venue_id, name, address, city, name_folded, address_folded, city_folded)
 WHERE v.venue_id = given.venue_id
   AND (v.name, v.address, v.city) = (given.name, given.address, given.city)
