-- Admins, their refresh tokens, the counts that throttle guessing, and what admins did.
--
-- Invariants that the schema itself keeps:
--   an email belongs to one admin whatever its case; a refresh token is known by its SHA-256 only;
--   a family of refresh tokens is revoked as one row, so that a rotation that runs at the same
--   moment cannot slip a live token into a dead family.

CREATE TABLE admins (
    admin_id      uuid PRIMARY KEY,
    email         text NOT NULL,
    password_hash text NOT NULL,
    name          text NOT NULL,
    phone_number  text,
    role          text NOT NULL,
    is_active     boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT admins_role_known CHECK (role IN ('event_manager', 'admin', 'super_admin'))
);
CREATE UNIQUE INDEX admins_email_once ON admins (lower(email));

-- One row for every login: all the refresh tokens that follow from it are one family.
CREATE TABLE refresh_families (
    family_id  uuid PRIMARY KEY,
    admin_id   uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT refresh_families_admin_exists
        FOREIGN KEY (admin_id) REFERENCES admins (admin_id) ON DELETE CASCADE
);
CREATE INDEX refresh_families_by_admin ON refresh_families (admin_id);
CREATE INDEX refresh_families_by_expiry ON refresh_families (expires_at);

CREATE TABLE refresh_tokens (
    token_sha256 bytea PRIMARY KEY,
    family_id    uuid NOT NULL,
    issued_at    timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    CONSTRAINT refresh_tokens_family_exists
        FOREIGN KEY (family_id) REFERENCES refresh_families (family_id) ON DELETE CASCADE,
    CONSTRAINT refresh_tokens_sha256_whole CHECK (octet_length(token_sha256) = 32)
);
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);

-- Counted where every worker and node sees it. Unlogged: a crash of the server forgets at most a
-- quarter of an hour of guesses, and a guess costs no flush to disk. A bucket is a SHA-256, so
-- that what was typed into an email field is not kept here.
CREATE UNLOGGED TABLE auth_attempts (
    bucket         bytea PRIMARY KEY,
    attempts       integer NOT NULL,
    window_ends_at timestamptz NOT NULL,
    CONSTRAINT auth_attempts_positive CHECK (attempts >= 1)
);
CREATE INDEX auth_attempts_by_end ON auth_attempts (window_ends_at);

-- Append-only, and never a secret. No foreign key: what was done outlives who did it.
CREATE TABLE admin_audit (
    audit_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    action      text NOT NULL,
    caller      text NOT NULL,
    request_id  text NOT NULL,
    subject_id  uuid,
    details     jsonb NOT NULL,
    CONSTRAINT admin_audit_action_known CHECK (action IN (
        'admin_registered', 'login_throttled', 'refreshes_revoked', 'role_changed',
        'venue_created', 'venue_updated', 'venue_deleted'
    ))
);
CREATE INDEX admin_audit_by_subject ON admin_audit (subject_id, audit_id);
COMMENT ON COLUMN admin_audit.subject_id IS 'The admin or venue that the action was done to.';
