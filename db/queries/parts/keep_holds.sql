-- Every hold that changed, as it is after all of its batch.
kept AS (
    INSERT INTO event_holds ({hold_columns})
    SELECT {hold_values}
      FROM {hold_rows:3} AS h
      JOIN moved USING (event_id)
    ON CONFLICT (event_id, hold_id) DO UPDATE
       SET {hold_changes}
)
