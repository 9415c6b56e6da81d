-- The committed rows of these events, each with the database's time; an unknown event is a row of nulls.
SELECT now() AS clock, current_setting('synchronous_standby_names') <> '' AS replicated,
       {state_columns}
  FROM (SELECT now()) AS t
  LEFT JOIN events AS e ON e.event_id = ANY ($1::uuid[]);
