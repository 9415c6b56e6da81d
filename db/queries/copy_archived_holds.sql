-- The holds of each event $1 after the hold $2 and up to $3, as they are written out.
SELECT h.*
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS s (event_id, after, upto, place)
 CROSS JOIN LATERAL (
       SELECT *
         FROM event_holds
        WHERE event_id = s.event_id
          AND hold_id > s.after
          AND hold_id <= s.upto
        ORDER BY hold_id) AS h
