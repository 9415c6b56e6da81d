-- Commits an empty message and tells what a commit is worth on this server; one row, always. It takes the
-- locks that a seat move takes on the tables, needs its privileges, and moves nothing.
WITH moved AS (
    UPDATE events SET version = version WHERE false RETURNING event_id
),
noted AS (
    INSERT INTO event_ledger SELECT * FROM event_ledger WHERE false RETURNING event_id
),
refused AS (
    INSERT INTO event_refusals SELECT * FROM event_refusals WHERE false RETURNING event_id
)
SELECT pg_logical_emit_message(true, 'evently', '') AS position,
       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS flushes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('synchronous_standby_names') <> '' AS replicated,
       current_setting('server_encoding') AS encoding;
