-- The audit, newest first: $2 entries after the first $3; with an admin $1, what they did and what was
-- done to their account. Names are those of now. No row: the page is past the end.
SELECT a.action, a.caller, who.name AS caller_name, a.subject_id,
       coalesce(whom.name, v.name) AS subject_name, a.details, a.request_id, a.recorded_at
  FROM (SELECT *, CASE WHEN caller LIKE 'admin:%' THEN substr(caller, 7)::uuid END AS caller_id
          FROM admin_audit
         WHERE $1::uuid IS NULL
            OR subject_id = $1
            OR caller = 'admin:' || $1
         ORDER BY audit_id DESC
         LIMIT $2 OFFSET $3) AS a
  LEFT JOIN admins AS who ON who.admin_id = a.caller_id
  LEFT JOIN admins AS whom ON whom.admin_id = a.subject_id
  LEFT JOIN venues AS v ON v.venue_id = a.subject_id
 ORDER BY a.audit_id DESC
