-- Deletes a venue unless an event names it, which the foreign key refuses; no row: there was none.
DELETE FROM venues
 WHERE venue_id = $1
RETURNING name
