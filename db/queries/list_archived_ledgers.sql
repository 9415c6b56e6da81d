-- The events of the archive $1 with their versions and how many holds each has, by id; no row: it has none.
SELECT event_id, version, holds_confirmed + holds_released + holds_expired AS holds
  FROM archived_ledgers
 WHERE archive_id = $1
 ORDER BY event_id
