-- Which database this is and which history it is on; one row, always. Another timeline, cluster or database
-- than before means that what was seen earlier may be gone.
SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS timeline,
       (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database;
