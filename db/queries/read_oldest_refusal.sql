-- For how many seconds the oldest committed refusal has been kept; null if there is none.
SELECT extract(epoch FROM clock_timestamp() - min(refused_at))::float8 AS age_s
  FROM event_refusals
