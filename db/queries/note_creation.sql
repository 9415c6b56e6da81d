-- Notes that admin $1 creates $4 under the key $2, by a request with the digest $3; no row: the key is
-- taken. If another transaction is about to take it, this waits for that one's end.
INSERT INTO creations (admin_id, request_key, request, subject_id)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING subject_id
