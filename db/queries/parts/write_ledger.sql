-- A row for every version of the events that were moved.
noted AS (
    INSERT INTO event_ledger ({ledger_columns})
    SELECT {ledger_values}
      FROM unnest({ledger_arrays:9}) AS l ({ledger_columns})
      JOIN moved USING (event_id)
)
