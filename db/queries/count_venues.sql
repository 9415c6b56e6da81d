-- Counts the venues that list_venues finds with the same filters; always one row.
SELECT count(*) AS total
  FROM venues
 WHERE ($1::text IS NULL OR city_folded = $1)
   AND ($2::text IS NULL
        OR strpos(name_folded, $2) > 0
        OR strpos(address_folded, $2) > 0
        OR strpos(city_folded, $2) > 0)
