-- The folded name of an event beside its name, as for the other texts (0006), so that admins can search
-- their events. The index is empty but for rows that something else than this release wrote; every start
-- of the service folds those.
ALTER TABLE events ADD COLUMN name_folded text COLLATE "C";
CREATE INDEX events_unfolded ON events (event_id) WHERE name_folded IS NULL;
