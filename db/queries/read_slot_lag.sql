-- How much WAL the slowest logical replication slot of this database retains, and how many of its
-- slots the server has invalidated; always one row.
SELECT coalesce(max(pg_wal_lsn_diff(
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
           restart_lsn)), 0)::bigint AS lag_bytes,
       count(*) FILTER (WHERE wal_status = 'lost') AS lost
  FROM pg_replication_slots
 WHERE slot_type = 'logical'
   AND database = current_database();
