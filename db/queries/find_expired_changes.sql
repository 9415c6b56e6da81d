-- Where the feed of changes is to begin when the changes from before $1 are archived: at the first later
-- one, or in front of the oldest open transaction; and how many changes are before that; one row, always.
SELECT place.begins_at,
       (SELECT count(*) FROM event_changes WHERE position < place.begins_at) AS changes
  FROM (SELECT least((era::bigint << 44) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                     (SELECT position
                        FROM event_changes
                       WHERE recorded_at >= $1
                       ORDER BY position
                       LIMIT 1)) AS begins_at
          FROM change_feed) AS place
