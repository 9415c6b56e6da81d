-- The archive $1; no row: this database has none of that id.
SELECT archive_id, month, name, written_at IS NOT NULL AS written
  FROM archives
 WHERE archive_id = $1
