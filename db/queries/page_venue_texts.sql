-- The texts of the $2 venues after the venue $1 with their folded forms, by id; no row: those were all.
SELECT venue_id, name, address, city, name_folded, address_folded, city_folded
  FROM venues
 WHERE venue_id > $1
 ORDER BY venue_id
 LIMIT $2
