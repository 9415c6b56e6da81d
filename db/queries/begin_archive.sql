-- Notes that an archive of the month $1 is begun, in a folder of the name $2; one row, always.
INSERT INTO archives (month, name)
VALUES ($1, $2)
RETURNING archive_id
