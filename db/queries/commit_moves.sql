-- Does what commit_batches does, for batches without refusals of events that never had one. There are
-- no keys to look up then; looking all the same would cost each statement of a sale a twentieth more.
WITH {held_venues},
moved AS (
    {move_events}
    RETURNING e.event_id
),
{write_ledger}
{report_moved};
