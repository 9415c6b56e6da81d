-- The $2 search documents after the event $1, in the order of their ids; no row: those were all.
-- The view says what a document has.
SELECT *
  FROM search_documents
 WHERE event_id > $1
 ORDER BY event_id
 LIMIT $2
