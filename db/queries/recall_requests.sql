-- What the ledger holds under these (event, key) pairs; no row means that it holds nothing.
SELECT l.event_id, l.request_key, l.request, l.version, l.available_seats, l.status, l.recorded_at,
       current_setting('synchronous_standby_names') <> '' AS replicated
  FROM unnest($1::uuid[], $2::text[]) AS k (event_id, request_key)
  JOIN event_ledger AS l USING (event_id, request_key);
