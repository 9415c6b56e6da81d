-- Adds an admin; returns nothing. The email of another admin breaks admins_email_once.
INSERT INTO admins (admin_id, email, password_hash, name, phone_number, role)
VALUES ($1, $2, $3, $4, $5, $6)
