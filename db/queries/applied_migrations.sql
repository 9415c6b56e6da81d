-- What was applied, in order; no row means nothing yet.
SELECT number, name, sha256 FROM schema_migrations ORDER BY number;
