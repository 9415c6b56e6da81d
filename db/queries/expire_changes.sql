-- Lets the feed of changes begin at the position $1, unless it begins later.
UPDATE change_feed SET begins_at = greatest(begins_at, $1::bigint)
