-- Every event type in use and its folded form, as stored; no row: there are no events.
SELECT DISTINCT event_type, event_type_folded
  FROM events
