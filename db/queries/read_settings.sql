-- What the settings named in $1 are on this connection, in their own units; a row for each.
SELECT name, setting, current_user AS role FROM pg_settings WHERE name = ANY ($1::text[]) ORDER BY name;
