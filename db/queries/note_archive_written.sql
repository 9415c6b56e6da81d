-- Notes that the files of the archive $1 are written and were found right.
UPDATE archives SET written_at = now() WHERE archive_id = $1
