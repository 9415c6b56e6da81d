-- Up to $2 changes of what is on sale that were committed since the snapshot $1 was taken. There is
-- always a row. The first columns are the same in each: the snapshot to ask with next time, whether the
-- database has gone back since $1, the files of the tables, which are other ones after a restore in
-- place, and its time. Where event_id is not null, that event is now as the row says, and not on sale if
-- start_datetime is null.
WITH changed AS MATERIALIZED (
    SELECT id
      FROM list_changes
     WHERE changed_in >= pg_snapshot_xmin($1::text::pg_snapshot)
       -- What a restored copy says of another server's transactions is not news.
       AND changed_in < pg_snapshot_xmax(pg_current_snapshot())
       -- Of what came after the oldest transaction that was running then, most was seen then.
       AND NOT pg_visible_in_snapshot(changed_in, $1::text::pg_snapshot)
     ORDER BY changed_in
     LIMIT $2
),
found AS (
    SELECT c.id AS event_id, e.start_datetime, e.end_datetime, e.event_type, e.venue_id
      FROM changed AS c
      LEFT JOIN LATERAL (SELECT *
                           FROM events
                          WHERE event_id = c.id
                            AND status IN ('published', 'sold_out')
                          LIMIT 1) AS e ON true
     UNION ALL
    SELECT e.event_id, e.start_datetime, e.end_datetime, e.event_type, e.venue_id
      FROM changed AS c
     CROSS JOIN LATERAL (SELECT *
                           FROM events
                          WHERE venue_id = c.id
                            AND status IN ('published', 'sold_out')
                            AND end_datetime > now()
                         OFFSET 0) AS e
)
SELECT pg_current_snapshot()::text AS snapshot,
       pg_snapshot_xmax(pg_current_snapshot()) < pg_snapshot_xmax($1::text::pg_snapshot) AS went_back,
       concat_ws(' ', pg_relation_filenode('events'), pg_relation_filenode('venues'),
                 pg_relation_filenode('list_changes')) AS tables,
       now() AS clock,
       f.event_id::text, f.start_datetime, f.end_datetime, f.event_type, v.city
  FROM (SELECT) AS always
  LEFT JOIN found AS f ON true
  LEFT JOIN LATERAL (SELECT city FROM venues WHERE venue_id = f.venue_id LIMIT 1) AS v ON true
