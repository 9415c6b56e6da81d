-- The committed rows of these events, each with the database's time; an unknown event is a row of nulls.
SELECT now() AS clock, {state_columns}
  FROM (SELECT now()) AS t
  LEFT JOIN events AS e ON e.event_id = ANY ($1::uuid[]);
