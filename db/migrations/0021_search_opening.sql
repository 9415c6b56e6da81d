-- The search service learns when seats are sold, in which currency, how many are held, and where the
-- clock of a venue stands.
--
-- Rules:
--   a publication that lists what the last file for it made is extended; one that somebody changed
--   stays theirs;
--   new columns come last, so that a reader of the old ones need not care.

CREATE OR REPLACE VIEW search_documents AS
SELECT e.event_id, e.version, e.status, e.name, e.description, e.event_type,
       e.start_datetime, e.end_datetime, e.base_price, e.total_capacity, e.available_seats,
       e.max_tickets_per_booking, e.updated_at,
       v.venue_id, v.name AS venue_name, v.address AS venue_address, v.city AS venue_city,
       v.state AS venue_state, v.country AS venue_country, v.postal_code AS venue_postal_code,
       e.held_seats, e.sales_start, e.sales_end, e.paused, e.currency,
       v.timezone AS venue_timezone
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE e.status <> 'draft'
   AND NOT e.cancelled_as_draft;

DO $$
DECLARE
    published CONSTANT jsonb := (
        SELECT jsonb_object_agg(tablename, attnames)
          FROM pg_publication_tables
         WHERE pubname = 'evently_search' AND schemaname = current_schema()
    );
    made CONSTANT jsonb := '{
        "events": ["event_id", "name", "description", "venue_id", "event_type", "start_datetime",
                   "end_datetime", "total_capacity", "available_seats", "base_price",
                   "max_tickets_per_booking", "status", "version", "updated_at"],
        "venues": ["venue_id", "name", "address", "city", "state", "country", "postal_code",
                   "updated_at"]}';
    ours CONSTANT boolean := (
        SELECT pg_has_role(current_user, pubowner, 'USAGE')
          FROM pg_publication
         WHERE pubname = 'evently_search'
    );
BEGIN
    IF published IS NULL THEN
        RETURN;
    ELSIF published = made AND ours THEN
        ALTER PUBLICATION evently_search SET TABLE
            events (event_id, version, status, name, description, venue_id, event_type,
                    start_datetime, end_datetime, base_price, total_capacity, available_seats,
                    max_tickets_per_booking, updated_at, held_seats, sales_start, sales_end,
                    paused, currency),
            venues (venue_id, name, address, city, state, country, postal_code, updated_at,
                    timezone);
    ELSE
        RAISE WARNING 'the publication evently_search was changed or is another role''s: for the '
                      'search service, have it list the columns that docs/cdc.md names';
    END IF;
END
$$;
