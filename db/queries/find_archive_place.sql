-- What an archive is of: the database's feed, which names it, and its last migration; the first month that is
-- not over; whether this role may archive, and whether no other session does ($1); one row, always.
SELECT f.feed_id,
       (SELECT max(number) FROM schema_migrations) AS migration,
       date_trunc('month', now() AT TIME ZONE 'UTC')::date AS this_month,
       (SELECT bool_and(has_table_privilege(one, 'DELETE'))
          FROM unnest(ARRAY['event_ledger', 'event_holds', 'event_changes', 'archives',
                            'archived_ledgers']) AS one) AS may_archive,
       current_user AS role,
       pg_try_advisory_lock($1) AS alone
  FROM change_feed AS f
