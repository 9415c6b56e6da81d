-- Begins an era of the feed of changes where the server's cluster ($1) or timeline ($2) is not the one that
-- the last era was begun on; the changes that are committed from now on come after all of before. An era is
-- no less than the hours since 2026 began, so that of two restores of one backup the later one is ahead.
UPDATE change_feed
   SET era = greatest(era + 1, (extract(epoch FROM now() - timestamptz '2026-01-01 00:00Z') / 3600)::integer),
       cluster = $1, timeline = $2
 WHERE (cluster, timeline) IS DISTINCT FROM ($1, $2)
