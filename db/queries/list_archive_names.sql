-- The names of all archives; no row: there are none.
SELECT name
  FROM archives
