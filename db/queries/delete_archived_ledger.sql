-- Deletes the versions of each event $2 after $3 and up to $4, where the event is in the archive $1.
DELETE FROM event_ledger AS l
 USING unnest($2::uuid[], $3::bigint[], $4::bigint[]) AS s (event_id, after, upto)
  JOIN archived_ledgers AS a USING (event_id)
 WHERE a.archive_id = $1
   AND l.event_id = s.event_id
   AND l.version > s.after
   AND l.version <= s.upto
