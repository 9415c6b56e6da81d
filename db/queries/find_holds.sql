-- For each hold of events $1 with ids $2 its row, or nulls where there is no such hold, and the event's
-- version; no row: there is no such event. (Ids and money as text: the driver takes a tenth of the time.)
SELECT k.event_id::text, e.version, h.hold_id::text, h.quantity, h.unit_price::text, h.status, h.reference,
       h.held_at, h.expires_at, h.closed_at, h.retaken, h.amount::text,
       current_setting('synchronous_standby_names') <> '' AS replicated
  FROM unnest($1::uuid[], $2::uuid[]) AS k (event_id, hold_id)
  JOIN events AS e USING (event_id)
  LEFT JOIN event_holds AS h USING (event_id, hold_id);
