-- What is held under these (event, caller, key) triples: a ledger row's answer, or a refusal; no row
-- means that nothing is.
SELECT l.event_id, l.caller, l.request_key, l.request, l.version, l.available_seats, l.status,
       l.recorded_at, l.hold::text AS hold, NULL AS refusal,
       current_setting('synchronous_standby_names') <> '' AS replicated
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (event_id, caller, request_key)
  JOIN event_ledger AS l USING (event_id, caller, request_key)
UNION ALL
SELECT r.event_id, r.caller, r.request_key, r.request, NULL, NULL, NULL, r.refused_at, NULL,
       r.refusal::text, current_setting('synchronous_standby_names') <> ''
  FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (event_id, caller, request_key)
  JOIN event_refusals AS r USING (event_id, caller, request_key);
