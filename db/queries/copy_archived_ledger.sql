-- The versions of each event $1 after $2 and up to $3, as they are written out.
SELECT l.*
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS s (event_id, after, upto)
 CROSS JOIN LATERAL (
       SELECT *
         FROM event_ledger
        WHERE event_id = s.event_id
          AND version > s.after
          AND version <= s.upto
        ORDER BY version) AS l
