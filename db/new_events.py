"""Creates events, each with its whole ledger and the holds that this tells of.

Rule: an event that exists already stays as it is, whatever has become of it since; an event is
created with all its ledger rows or not at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from db.change_rows import change_rows
from db.database import Session
from db.event_rows import values_of
from db.hold_rows import hold_row
from db.ledger_rows import ledger_row, to_json
from db.statements import Statement
from evently.domain.commits import Record
from evently.domain.state import EventState


async def create_events(
    database: Session,
    events: Sequence[tuple[EventState, Sequence[Record]]],
    past: Sequence[Mapping[str, Any]] = (),
) -> int:
    """Create `events`, each with the records of every version up to its state.

    The records are of now, but for those in `past`, each by `event_id` and `version`, which have
    the time `at`. Returns how many were created: one that exists, or whose venue is unknown or too
    small, is left out.
    """
    rows = [
        ledger_row(state.details.event_id, record)
        for state, records in events
        for record in records
    ]
    told = [
        row for state, records in events for row in change_rows(state.details.event_id, records)
    ]
    # A hold is as the last record that tells of it has it.
    holds = {
        (state.details.event_id, hold.hold_id): hold_row(state.details.event_id, hold)
        for state, records in events
        for record in records
        for hold in record.entry.holds
    }
    states = to_json([values_of(state) for state, _ in events])
    return len(
        await database.fetch(
            Statement.CREATE_EVENTS, states, rows, told, to_json(past), list(holds.values())
        )
    )
