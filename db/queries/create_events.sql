-- Creates the events in the JSON array $1, each with its ledger rows, which are of now, or of the time
-- that the JSON array $4 has for them, and its holds; an event that is not returned exists already, or its
-- venue is unknown or too small, and nothing of it was written.
WITH given AS (
    SELECT * FROM jsonb_to_recordset($1::text::jsonb) AS g ({given_types})
),
held AS (
    SELECT venue_id, capacity
      FROM venues
     WHERE venue_id IN (SELECT venue_id FROM given)
       FOR SHARE
),
made AS (
    INSERT INTO events ({given_columns})
    SELECT {given_columns}
      FROM given
      JOIN held USING (venue_id)
     WHERE capacity >= total_capacity
    ON CONFLICT (event_id) DO NOTHING
    RETURNING event_id
),
noted AS (
    INSERT INTO event_ledger ({ledger_columns}, recorded_at)
    SELECT {ledger_values}, coalesce(past.at, now())
      FROM {ledger_rows:2} AS l
      JOIN made USING (event_id)
      LEFT JOIN jsonb_to_recordset($4::text::jsonb)
                AS past (event_id uuid, version bigint, at timestamptz) USING (event_id, version)
),
kept AS (
    INSERT INTO event_holds ({hold_columns})
    SELECT {hold_values}
      FROM {hold_rows:5} AS h
      JOIN made USING (event_id)
),
told AS (
    INSERT INTO event_changes (position, event_id, version, kinds, data, available_seats, status)
    SELECT {position}, c.event_id, c.version, string_to_array(c.kinds, ','), c.data::jsonb,
           c.available_seats, c.status
      FROM {change_rows:3} AS c
      JOIN made USING (event_id)
)
SELECT event_id FROM made
