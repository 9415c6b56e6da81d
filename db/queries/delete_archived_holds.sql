-- Deletes the holds of each event $2 after the hold $3 and up to $4, where the event is in the archive $1.
DELETE FROM event_holds AS h
 USING unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS s (event_id, after, upto)
  JOIN archived_ledgers AS a USING (event_id)
 WHERE a.archive_id = $1
   AND h.event_id = s.event_id
   AND h.hold_id > s.after
   AND h.hold_id <= s.upto
