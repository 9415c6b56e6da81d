-- Deletes a venue unless an event names it, which the foreign key refuses; returns nothing. The caller has
-- locked it.
DELETE FROM venues
 WHERE venue_id = $1
