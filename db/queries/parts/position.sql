-- Where this transaction stands in the feed of changes; the era leaves room for 2^44 transactions.
(SELECT (era::bigint << 44) + pg_current_xact_id()::text::bigint FROM change_feed)
