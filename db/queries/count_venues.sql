-- Counts the venues that list_venues finds with the same filters; always one row.
SELECT count(*) AS total
  FROM venues
 WHERE ($1::text IS NULL OR lower(city) = lower($1))
   AND ($2::text IS NULL
        OR strpos(lower(name), lower($2)) > 0
        OR strpos(lower(address), lower($2)) > 0
        OR strpos(lower(city), lower($2)) > 0)
