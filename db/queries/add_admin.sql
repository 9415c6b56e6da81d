-- Adds an admin; returns nothing. An email that another admin has violates admins_email_once.
INSERT INTO admins (admin_id, email, email_folded, password_hash, name, phone_number, role)
VALUES ($1, $2, $3, $4, $5, $6, $7)
