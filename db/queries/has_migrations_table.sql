-- Whether anything was ever migrated; one row, always.
SELECT to_regclass('schema_migrations') IS NOT NULL;
