-- The number of events; always one row.
SELECT count(*) AS events FROM events
