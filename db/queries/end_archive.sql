-- Notes that the rows of the archive $1 are deleted.
UPDATE archives SET emptied_at = now() WHERE archive_id = $1
