-- What admins write: folded text, events that were never published, creations under a key.

-- What compares regardless of case is folded by the service (evently/domain/text.py) and stored beside
-- the text; the database's locale decides nothing any more.
--
-- Rules:
--   the service writes a text and its folded form together. Null means that something else wrote the
--   row: an earlier release while this one is rolled out, or somebody by hand. Every start of the
--   service and `evently migrate` fill in what is missing or wrong (db/folded_text.py);
--   an email whose folded form an older admin has keeps null there, and is found as it is written.

ALTER TABLE venues
    ADD COLUMN name_folded    text COLLATE "C",
    ADD COLUMN address_folded text COLLATE "C",
    ADD COLUMN city_folded    text COLLATE "C";
DROP INDEX venues_by_name, venues_by_city;
CREATE INDEX venues_by_name ON venues (name_folded, venue_id);
CREATE INDEX venues_by_city ON venues (city_folded, name_folded, venue_id);

ALTER TABLE events ADD COLUMN event_type_folded text COLLATE "C";
DROP INDEX events_on_sale_by_type, events_by_venue;
CREATE INDEX events_on_sale_by_type ON events (event_type_folded, start_datetime, event_id)
    INCLUDE (end_datetime)
    WHERE status IN ('published', 'sold_out');
CREATE INDEX events_by_venue ON events (venue_id, start_datetime, event_id)
    INCLUDE (end_datetime, status, event_type_folded);

ALTER TABLE admins ADD COLUMN email_folded text COLLATE "C";
DROP INDEX admins_email_once;
CREATE UNIQUE INDEX admins_email_once ON admins (email_folded);
CREATE INDEX admins_unfolded ON admins (email) WHERE email_folded IS NULL;

-- An event that was cancelled as a draft stays unknown to all but admins. False unless it is known to be
-- so: the release before this one does not write it, and then the event answers as it did before.
ALTER TABLE events ADD COLUMN cancelled_as_draft boolean NOT NULL DEFAULT false;
UPDATE events AS e
   SET cancelled_as_draft = true
 WHERE status = 'cancelled'
   AND NOT coalesce((SELECT true
                       FROM event_ledger AS l
                      WHERE l.event_id = e.event_id AND l.kind = 'published'
                      LIMIT 1), false);
CREATE OR REPLACE VIEW search_documents AS
SELECT e.event_id, e.version, e.status, e.name, e.description, e.event_type,
       e.start_datetime, e.end_datetime, e.base_price, e.total_capacity, e.available_seats,
       e.max_tickets_per_booking, e.updated_at,
       v.venue_id, v.name AS venue_name, v.address AS venue_address, v.city AS venue_city,
       v.state AS venue_state, v.country AS venue_country, v.postal_code AS venue_postal_code
  FROM events AS e
  JOIN venues AS v USING (venue_id)
 WHERE e.status <> 'draft'
   AND NOT e.cancelled_as_draft;

-- What was created under an admin's own key, an event or a venue. A row is kept like the ledger's, and
-- outlives a venue that is deleted: repeating its request must not create it again.
CREATE TABLE creations (
    admin_id    uuid NOT NULL,
    request_key text NOT NULL,
    request     bytea NOT NULL,
    subject_id  uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT creations_key_once PRIMARY KEY (admin_id, request_key)
);
COMMENT ON COLUMN creations.request IS
    'A digest of what was asked: the same key with another request is refused.';
