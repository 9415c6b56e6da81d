-- Deletes a venue unless an event names it, which the foreign key refuses; no row: no such venue.
DELETE FROM venues
 WHERE venue_id = $1
RETURNING name
