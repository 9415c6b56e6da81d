-- What an account shows of admin a: what they said of themselves, and how many logins go on.
a.admin_id, a.email, a.name, a.phone_number, a.role, a.is_active, a.created_at,
(SELECT count(*)
   FROM refresh_families AS f
  WHERE f.admin_id = a.admin_id AND f.revoked_at IS NULL AND f.expires_at > now()) AS sessions
