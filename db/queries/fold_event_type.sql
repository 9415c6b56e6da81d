-- Folds the type $1 to $2 in up to $3 events that nobody else is writing; one row, always: how many
-- those were, and how many more there are.
WITH wrong AS MATERIALIZED (
    SELECT event_id
      FROM events
     WHERE event_type = $1
       AND event_type_folded IS DISTINCT FROM $2
), taken AS (
    SELECT event_id
      FROM events
     WHERE event_id IN (SELECT event_id FROM wrong LIMIT $3)
       AND event_type = $1
       FOR NO KEY UPDATE SKIP LOCKED
), folded AS (
    UPDATE events
       SET event_type_folded = $2
     WHERE event_id IN (SELECT event_id FROM taken)
    RETURNING 1
)
SELECT (SELECT count(*) FROM folded) AS folded,
       (SELECT count(*) FROM wrong) - (SELECT count(*) FROM folded) AS left_over
