-- Every $2th hold of event $1, in the order of their ids; no row: it has fewer.
SELECT hold_id
  FROM (SELECT hold_id, row_number() OVER (ORDER BY hold_id) AS place
          FROM event_holds
         WHERE event_id = $1) AS h
 WHERE place % $2 = 0
 ORDER BY hold_id
