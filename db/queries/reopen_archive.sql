-- Notes that rows of the archive $1 are there again, until it is restored or its rows are deleted anew.
UPDATE archives SET emptied_at = NULL WHERE archive_id = $1
