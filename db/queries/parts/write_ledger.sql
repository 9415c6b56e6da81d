-- A row for every version of the events that were moved.
noted AS (
    INSERT INTO event_ledger ({ledger_columns})
    SELECT {ledger_values}
      FROM {ledger_rows:2} AS l
      JOIN moved USING (event_id)
)
