-- Admins change their accounts over HTTP, and the audit says so.
ALTER TABLE admin_audit
    DROP CONSTRAINT admin_audit_action_known,
    ADD CONSTRAINT admin_audit_action_known CHECK (action IN (
        'admin_activated', 'admin_deactivated', 'admin_registered', 'login_throttled',
        'password_changed', 'profile_changed', 'refreshes_revoked', 'role_changed',
        'venue_created', 'venue_updated', 'venue_deleted'
    ));
