-- Which of the privileges $2 on the tables $1 this role lacks, with USAGE of their schema first; no rows: none. A
-- table that does not exist yet lacks nothing.
WITH wanted AS (
    SELECT c.oid, n.nspname AS schema, c.relname AS "table", w.privilege, w.place
      FROM pg_class AS m
      JOIN pg_namespace AS n ON n.oid = m.relnamespace
      JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
      JOIN unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (name, privilege, place) ON w.name = c.relname
     WHERE m.relname = 'schema_migrations'
       AND m.relkind IN ('r', 'p')
)
SELECT DISTINCT current_user AS role, schema, NULL AS "table", 'USAGE' AS privilege, 0 AS place
  FROM wanted
 WHERE NOT has_schema_privilege(schema, 'USAGE')
 UNION ALL
SELECT current_user, schema, "table", privilege, place
  FROM wanted
 WHERE NOT has_table_privilege(oid, privilege)
 ORDER BY place;
