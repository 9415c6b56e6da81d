-- A page of the venues in city $1 with the folded text $2 in their name, address or city; a filter that is null
-- matches every venue. No row: the page is past the end.
SELECT venue_id, name, address, city, state, country, postal_code, capacity, layout_config, timezone,
       created_by, created_at, updated_at
  FROM venues
 WHERE ($1::text IS NULL OR city_folded = $1)
   AND ($2::text IS NULL
        OR strpos(name_folded, $2) > 0
        OR strpos(address_folded, $2) > 0
        OR strpos(city_folded, $2) > 0)
 ORDER BY name_folded, venue_id
 LIMIT $3 OFFSET $4
