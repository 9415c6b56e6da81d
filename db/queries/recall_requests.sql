-- What is held under these (event, caller, key) triples: a ledger row's answer, or a refusal; no row
-- means that nothing is.
--
-- The answer to a seat move tells the event's price then. Where the offer has changed since, a plain reserve
-- tells it by its money; for other moves the last version before it that set a price is looked for.
SELECT event_id, l.caller, l.request_key, l.request, l.version, l.available_seats, l.status,
       l.recorded_at, l.hold::text AS hold,
       CASE WHEN l.kind NOT IN ('reserved', 'returned') THEN NULL
            WHEN e.terms_version <= l.version THEN e.base_price
            WHEN l.kind = 'reserved' AND l.request NOT LIKE '% for %'
            THEN round(l.money_delta / -(l.seat_delta + l.held_back_delta), 2)
            ELSE coalesce(
                   (SELECT (p.changes ->> 'base_price')::numeric(12, 2)
                      FROM event_ledger AS p
                     WHERE p.event_id = l.event_id AND p.version <= l.version
                       AND p.changes ? 'base_price'
                     ORDER BY p.version DESC
                     LIMIT 1),
                   e.base_price)
       END AS unit_price,
       NULL AS refusal,
       current_setting('synchronous_standby_names') <> '' AS replicated
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (event_id, caller, request_key)
  JOIN event_ledger AS l USING (event_id, caller, request_key)
  LEFT JOIN events AS e USING (event_id)
UNION ALL
SELECT r.event_id, r.caller, r.request_key, r.request, NULL, NULL, NULL, r.refused_at, NULL, NULL,
       r.refusal::text, current_setting('synchronous_standby_names') <> ''
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (event_id, caller, request_key)
  JOIN event_refusals AS r USING (event_id, caller, request_key);
