-- Checks the rows from before there were holds against the constraints that came with these. It reads the
-- tables, a large ledger for some seconds, and blocks no seat move.
ALTER TABLE events VALIDATE CONSTRAINT events_held_within_capacity;
ALTER TABLE events VALIDATE CONSTRAINT events_status_follows_seats;
ALTER TABLE event_ledger VALIDATE CONSTRAINT event_ledger_kind_known;
