-- Forgets the archive $1, all of which is restored.
DELETE FROM archives WHERE archive_id = $1
