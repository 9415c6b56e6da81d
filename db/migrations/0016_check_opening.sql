-- Checks the rows from before the opening of sales against the constraints that came with it. It reads the
-- table, and blocks no seat move.
ALTER TABLE events VALIDATE CONSTRAINT events_sales_end_after_start;
ALTER TABLE events VALIDATE CONSTRAINT events_sales_within_event;
ALTER TABLE events VALIDATE CONSTRAINT events_edited_version_known;
ALTER TABLE events VALIDATE CONSTRAINT events_currency_code;
