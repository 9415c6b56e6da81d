-- The archives that were begun and have not ended, the oldest month first; no row: all have ended.
SELECT archive_id, month, name, written_at IS NOT NULL AS written
  FROM archives
 WHERE emptied_at IS NULL
 ORDER BY month, begun_at
