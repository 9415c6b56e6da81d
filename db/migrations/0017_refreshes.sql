-- How often each login was continued in its current window, so that nobody rotates tokens without end.
ALTER TABLE refresh_families
    ADD COLUMN refreshes integer NOT NULL DEFAULT 0,
    ADD COLUMN window_ends_at timestamptz NOT NULL DEFAULT '-infinity';
