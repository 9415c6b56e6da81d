-- Whether event e can be archived: it is over, has no seats in holds and no block to be freed, and is no draft,
-- which may be given another time.
e.archived_version = 0
   AND e.status <> 'draft'
   AND e.held_seats = 0
   AND e.next_release_at IS NULL
   AND e.end_datetime <= now()
