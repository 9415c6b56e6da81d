-- Those of the events $1 that can be archived, each with the last version of its ledger, as if nothing were
-- proven of it yet. One without a ledger has null there; no row: none of them can be.
SELECT e.event_id, e.version, e.total_capacity, e.available_seats, e.held_seats, e.held_back_seats, e.revenue,
       e.status,
       (SELECT max(version) FROM event_ledger WHERE event_id = e.event_id) AS last_version,
       NULL::bigint AS proven,
       (SELECT coalesce(sum(h.quantity), 0)
          FROM event_holds AS h
         WHERE h.event_id = e.event_id AND h.status = 'held') AS in_holds,
       (SELECT coalesce(sum(b.quantity), 0)
          FROM jsonb_to_recordset(e.holdbacks) AS b (quantity integer)) AS in_blocks
  FROM events AS e
 WHERE e.event_id = ANY ($1::uuid[])
   AND {final}
 ORDER BY e.event_id
