-- Begins an era of the feed of changes where the server's cluster ($1) or timeline ($2) is not the one that
-- the last era was begun on; the changes that are committed from now on come after all of before.
UPDATE change_feed
   SET era = era + 1, cluster = $1, timeline = $2
 WHERE (cluster, timeline) IS DISTINCT FROM ($1, $2)
