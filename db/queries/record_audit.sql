-- Records what was done, by whom, to whom, and in which request; returns nothing.
INSERT INTO admin_audit (action, caller, request_id, subject_id, details)
VALUES ($1, $2, $3, $4, $5)
