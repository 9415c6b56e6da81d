-- Whether this connection alone checks the events from now on, until it ends; one row always. $1 is the
-- lock that says so. What the connection writes need not survive a crash, and if its client is switched
-- off the server ends it, and frees the lock, within half a minute.
SELECT pg_try_advisory_lock($1) AS leads,
       set_config('synchronous_commit', 'off', false) AS synchronous_commit,
       set_config('tcp_keepalives_idle', '15', false) AS idle_s,
       set_config('tcp_keepalives_interval', '5', false) AS interval_s,
       set_config('tcp_keepalives_count', '3', false) AS count
