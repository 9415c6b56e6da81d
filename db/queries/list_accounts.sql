-- A page of $1 accounts by email, after the first $2; no row: the page is past the end.
SELECT {account}
  FROM admins AS a
 ORDER BY coalesce(a.email_folded, a.email), a.email
 LIMIT $1 OFFSET $2
