-- A page of the holds of event $1 that have the status $2 now and the reference $3, where these are given,
-- in the order in which they were placed, from behind the one that was placed at $4 with id $5 on.
SELECT *, now() AS clock
  FROM event_holds
 WHERE event_id = $1
   AND ($2::text IS NULL
        OR $2 = CASE WHEN status = 'held' AND expires_at <= now() THEN 'expired' ELSE status END)
   AND ($3::text IS NULL OR reference = $3)
   AND (held_at, hold_id) > (coalesce($4::timestamptz, '-infinity'),
                             coalesce($5::uuid, '00000000-0000-0000-0000-000000000000'))
 ORDER BY held_at, hold_id
 LIMIT $6
