-- Whether this server takes writes and keeps what it commits; one row, always.
SELECT NOT pg_is_in_recovery()
       AND current_setting('fsync') = 'on'
       AND current_setting('synchronous_commit') <> 'off'
       AND current_setting('full_page_writes') = 'on' AS durable;
