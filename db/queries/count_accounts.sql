-- How many admins there are; always one row.
SELECT count(*) AS total
  FROM admins
