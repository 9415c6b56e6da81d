-- The changes after ($1, $2, $3), up to $4 of them and up to 768 KiB of details, that nothing can be
-- committed in front of any more; `found` tells how many $4 would have allowed. A row of nulls: none.
--
-- `begins_at` is where the feed begins: all in front of it was archived, and may be about to be deleted.
-- `horizon` is where the oldest open transaction stands, and `waiting_since` is when the first change
-- at or after it was recorded.
WITH feed AS MATERIALIZED (
    SELECT feed_id, begins_at, current_setting('synchronous_standby_names') <> '' AS replicated,
           (era::bigint << 44) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon
      FROM change_feed
)
SELECT feed.feed_id, feed.begins_at, feed.replicated, feed.horizon, now() AS clock,
       (SELECT w.recorded_at
          FROM event_changes AS w
         WHERE w.position >= feed.horizon
         ORDER BY w.position
         LIMIT 1) AS waiting_since,
       page.*
  FROM feed
  LEFT JOIN LATERAL (
       SELECT measured.*, count(*) OVER () AS found,
              sum(octet_length(replace(data, '<', '\u003c')))
                  OVER (ORDER BY position, event_id, version) AS bytes
         FROM (SELECT position, event_id, version, kinds, data::text AS data, available_seats,
                      status, recorded_at
                 FROM event_changes
                WHERE (position, event_id, version) > ($1::bigint, $2::uuid, $3::bigint)
                  AND position >= feed.begins_at
                  AND position < feed.horizon
                ORDER BY position, event_id, version
                LIMIT $4) AS measured) AS page
       ON page.bytes <= 786432
 ORDER BY page.position, page.event_id, page.version
