-- Notes that the ledger of each event $1 is right up to version $2, and what it comes to there. A proof
-- that began at version 1 ($9) is as old as this one; another keeps its age.
INSERT INTO event_proofs AS p (event_id, version, capacity, seats, held, held_back, money, status)
SELECT event_id, version, capacity, seats, held, held_back, money, status
  FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::numeric[], $8::text[])
           AS new (event_id, version, capacity, seats, held, held_back, money, status)
    ON CONFLICT (event_id) DO UPDATE
   SET version = excluded.version,
       capacity = excluded.capacity,
       seats = excluded.seats,
       held = excluded.held,
       held_back = excluded.held_back,
       money = excluded.money,
       status = excluded.status,
       since = CASE WHEN p.event_id = ANY ($9::uuid[]) THEN now() ELSE p.since END
