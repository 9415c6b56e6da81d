"""One event at one venue, as the tests of events, actors and stores begin with.

Rule: every value is made anew and may be changed by keyword; nothing here holds state.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from actors.envelope import Request, canonical
from evently.domain.commands import Cancel, Command, PlaceHold, Reserve, Return, Update
from evently.domain.commits import Batch, Record, Refused
from evently.domain.event import created, decide
from evently.domain.holds import NO_HOLDS, Hold, Holds, hold_id_of
from evently.domain.origin import Origin
from evently.domain.outcomes import Accepted, Unchanged
from evently.domain.state import EventDetails, EventState, Status

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PRICE = Decimal("25.50")
ADMIN = "00000000-0000-0000-0000-00000000000a"
VENUE = "00000000-0000-0000-0000-00000000000b"
EVENT = "00000000-0000-0000-0000-000000000001"
VENUE_CAPACITY = 40
ORIGIN = Origin("key:booking", "request-1")


def details(event_id: str = EVENT, **changed: Any) -> EventDetails:
    """What an admin says of the event: it starts in nine days, and takes a day."""
    return replace(
        EventDetails(
            event_id=event_id,
            name="Night",
            description="",
            venue_id=VENUE,
            event_type="concert",
            start_datetime=NOW + timedelta(days=9),
            end_datetime=NOW + timedelta(days=10),
            base_price=PRICE,
            max_tickets_per_booking=10,
            created_by=ADMIN,
            created_at=NOW,
        ),
        **changed,
    )


def draft(capacity: int = 10, event_id: str = EVENT, **changed: Any) -> EventState:
    """The event as it was created."""
    return created(details(event_id, **changed), capacity, NOW)[0]


def published(capacity: int = 10, event_id: str = EVENT, **changed: Any) -> EventState:
    """The event on sale, at version 2, with all its seats."""
    return after(draft(capacity, event_id, **changed), publish())


def publish(version: int = 1) -> Update:
    """Publishes the event."""
    return Update(ADMIN, False, version, {"status": Status.PUBLISHED}, VENUE_CAPACITY)


def update(version: int = 2, **changes: Any) -> Update:
    """Changes the event."""
    return Update(ADMIN, False, version, changes, VENUE_CAPACITY)


def cancel(version: int = 2) -> Cancel:
    """Cancels the event."""
    return Cancel(ADMIN, False, version)


def reserve(seats: int = 1, version: int | None = None, *, retry: bool = False) -> Reserve:
    """Takes seats."""
    return Reserve(seats, version, retry)


def give_back(seats: int = 1, version: int | None = None, *, retry: bool = False) -> Return:
    """Gives seats back."""
    return Return(seats, version, retry)


def hold(
    seats: int = 1,
    name: str = "h",
    *,
    duration_s: int = 900,
    version: int | None = None,
    retry: bool = False,
) -> PlaceHold:
    """Holds seats, under the id that the key `name` gives."""
    return PlaceHold(hold_id(name), seats, duration_s, "booking", version, retry)


def hold_id(name: str = "h", event_id: str = EVENT) -> str:
    """The id of the hold that was placed under the key `name`."""
    return hold_id_of(event_id, ORIGIN.caller, name)


def after(
    state: EventState,
    *commands: Command,
    now: datetime = NOW,
    holds: dict[str, Hold | None] | None = None,
) -> EventState:
    """The state that `commands` lead to; each must be accepted. `holds` has their rows after it."""
    rows = {} if holds is None else holds
    for command in commands:
        outcome = decide(state, command, now, rows)
        assert isinstance(outcome, Accepted), outcome
        state = outcome.state
        rows |= {one.hold_id: one for one in outcome.entry.holds}
    return state


def batch(
    base: EventState,
    *moves: tuple[str, Command],
    refused: Sequence[tuple[str, Command]] = (),
    origin: Origin = ORIGIN,
    now: datetime = NOW,
    holds: Holds = NO_HOLDS,
) -> Batch:
    """The batch of accepted `moves`, and then of `refused` ones, (key, command) each."""
    state, records, refusals = base, [], []
    rows, changed = dict(holds), dict[str, Hold]()
    for key, command in moves:
        outcome = decide(state, command, now, rows)
        assert isinstance(outcome, Accepted), outcome
        state = outcome.state
        for one in outcome.entry.holds:
            rows[one.hold_id] = changed[one.hold_id] = one
        records.append(Record(outcome.entry, key, canonical(command), origin))
    for key, command in refused:
        outcome = decide(state, command, now, rows)
        assert not isinstance(outcome, Accepted | Unchanged), outcome
        refusals.append(Refused(outcome, key, canonical(command), origin))
    if refusals:
        state = replace(state, fence=base.fence + 1)
    return Batch(base, state, tuple(records), tuple(refusals), tuple(changed.values()))


def request(
    command: Command | None = None,
    key: str = "k",
    *,
    keyed: bool = True,
    deadline_s: float = 2.0,
    doubtful: bool = False,
) -> Request:
    """A request, by default to take one seat under the key `k`."""
    wanted = reserve() if command is None else command
    return Request(wanted, key, keyed, ORIGIN, deadline_s, doubtful)
