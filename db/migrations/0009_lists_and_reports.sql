-- What keeps lists and reports cheap, however much is sold and however long the ledger is.
--
-- Lists: which events are on sale, when, where and of what type is kept in the memory of those who
-- serve lists. Seat moves change none of it. list_changes tells when any of it has changed: it has a
-- row for every event or venue that has, with the transaction that changed it last. A trigger
-- notes it, so changes made by hand or by an older release are seen too. A trigger AFTER the
-- update costs a seat move the evaluation of its condition; one BEFORE it would lock the row twice.

CREATE TABLE list_changes (
    id         uuid PRIMARY KEY,
    changed_in xid8 NOT NULL
);
CREATE INDEX list_changes_in_order ON list_changes (changed_in, id);
COMMENT ON COLUMN list_changes.id IS 'An event, or a venue whose city has changed.';

CREATE FUNCTION note_event_list_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO list_changes (id, changed_in)
    VALUES (CASE TG_OP WHEN 'DELETE' THEN OLD.event_id ELSE NEW.event_id END, pg_current_xact_id())
        ON CONFLICT (id) DO UPDATE SET changed_in = excluded.changed_in;
    RETURN NULL;
END;
$$;
CREATE TRIGGER events_listed AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.status IN ('published', 'sold_out'))
    EXECUTE FUNCTION note_event_list_change();
CREATE TRIGGER events_unlisted AFTER DELETE ON events FOR EACH ROW
    WHEN (OLD.status IN ('published', 'sold_out'))
    EXECUTE FUNCTION note_event_list_change();
CREATE TRIGGER events_relisted AFTER UPDATE ON events FOR EACH ROW
    WHEN ((OLD.status IN ('published', 'sold_out')) <> (NEW.status IN ('published', 'sold_out'))
          OR OLD.start_datetime <> NEW.start_datetime
          OR OLD.end_datetime <> NEW.end_datetime
          OR OLD.venue_id <> NEW.venue_id
          OR OLD.event_type <> NEW.event_type)
    EXECUTE FUNCTION note_event_list_change();

CREATE FUNCTION note_venue_list_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO list_changes (id, changed_in) VALUES (NEW.venue_id, pg_current_xact_id())
        ON CONFLICT (id) DO UPDATE SET changed_in = excluded.changed_in;
    RETURN NULL;
END;
$$;
CREATE TRIGGER venues_moved AFTER UPDATE ON venues FOR EACH ROW
    WHEN (OLD.city <> NEW.city)
    EXECUTE FUNCTION note_venue_list_change();

-- The public list needs no index by type any more. What admins list of one status is found without
-- reading all other statuses.
DROP INDEX events_on_sale_by_type;
CREATE INDEX events_by_status ON events (status, start_datetime, event_id)
    INCLUDE (end_datetime);

-- Reports: what an event sold and took back on each UTC day, up to the version that is kept with it.
-- Reports bring the sums up to date when they are asked for, so seat moves do not know of them. To
-- have an event's sums made anew, delete its row in event_sales_kept.
CREATE TABLE event_sales_kept (
    event_id uuid PRIMARY KEY,
    version  bigint NOT NULL
);
CREATE TABLE event_sales_by_day (
    event_id         uuid NOT NULL REFERENCES event_sales_kept ON DELETE CASCADE,
    date             date NOT NULL,
    tickets_sold     bigint NOT NULL,
    tickets_returned bigint NOT NULL,
    revenue          numeric(24, 2) NOT NULL,
    PRIMARY KEY (event_id, date)
);
