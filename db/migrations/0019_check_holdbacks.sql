-- Checks the rows from before there were blocks against the constraint that came with them, and makes the
-- index that finds events whose blocks are due, which is empty at first. Both read the table; seat moves wait
-- for the second, some seconds for a million events.
ALTER TABLE events VALIDATE CONSTRAINT events_held_within_capacity;
CREATE INDEX events_next_release ON events (next_release_at) WHERE next_release_at IS NOT NULL;
