-- What the search service reads: a publication of events and venues, and the document it indexes.
--
-- Rules:
--   the publication names its tables and columns one by one, so that nothing about admins, money
--   or who made what ever leaves through it, whatever is added to these tables later;
--   the replica identity is the primary key: a consumer is sent the whole new row, and of a row
--   that is gone its key. REPLICA IDENTITY FULL would write every old row of the hottest table
--   into the WAL for values that no consumer needs (497 bytes for a seat move instead of 350), and
--   with a list of columns PostgreSQL would refuse every update: leave it as it is. Neither keeps
--   a seat move from being HOT.

ALTER TABLE events REPLICA IDENTITY DEFAULT;
ALTER TABLE venues REPLICA IDENTITY DEFAULT;

-- A row of this view is a document of the search index. Drafts are nobody's business yet. What is
-- completed is told by the clock, which changes no row: a query compares end_datetime with now.
CREATE VIEW search_documents AS
SELECT e.event_id, e.version, e.status, e.name, e.description, e.event_type,
       e.start_datetime, e.end_datetime, e.base_price, e.total_capacity, e.available_seats,
       e.max_tickets_per_booking, e.updated_at,
       v.venue_id, v.name AS venue_name, v.address AS venue_address, v.city AS venue_city,
       v.state AS venue_state, v.country AS venue_country, v.postal_code AS venue_postal_code
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE e.status <> 'draft';
COMMENT ON VIEW search_documents IS
    'One flat document for each event that was ever published, as the search index holds it.';

-- Making a publication takes the right to create in this database, which a role for migrations
-- need not have: then an administrator runs the same statement, and the service runs without.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'evently_search') THEN
        RAISE NOTICE 'the publication evently_search is there already and stays as it is';
    ELSIF has_database_privilege(current_database(), 'CREATE') THEN
        CREATE PUBLICATION evently_search FOR TABLE
            events (event_id, version, status, name, description, venue_id, event_type,
                    start_datetime, end_datetime, base_price, total_capacity, available_seats,
                    max_tickets_per_booking, updated_at),
            venues (venue_id, name, address, city, state, country, postal_code, updated_at);
    ELSE
        RAISE WARNING 'the role % may not create publications in this database: for the search '
                      'service, have evently_search created as docs/cdc.md says', current_user;
    END IF;
END
$$;
