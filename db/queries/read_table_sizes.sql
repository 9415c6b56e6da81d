-- The bytes of each table of this service with its indexes, and about how many rows it has, as
-- autovacuum last counted them (-1: never); no row means that there is no table.
SELECT c.relname AS table_name,
       pg_total_relation_size(c.oid) AS bytes,
       c.reltuples::float8 AS row_estimate
  FROM pg_class AS c
 WHERE c.relkind IN ('r', 'p')
   AND c.relnamespace = current_schema()::regnamespace
 ORDER BY c.relname
