"""Turns the envelopes that wait for one event into one batch. Pure: it decides everything.

Rules:

1. Commands are decided in order, each on the state the one before it left; the batch names the
   committed state it starts from, and holds only if that is still the committed one.
2. A batch carries one ledger entry for every version between `base` and `after`.
3. A refusal is answered on a state that was proven after its request came: with a batch, whose
   commit proves the state it was decided on, or after a read. Where there is neither it is
   unproven, and decided again after a read.
4. A refusal of a request with its caller's key is committed, whatever else the batch has. It moves
   the event's fence: what any other try under that key was decided on is gone, so nothing is done
   under a key that was refused.
5. A command that raises fails alone; `decide` is pure, so nothing of it is left behind.
6. Nobody is refused for want of seats while a hold may have expired that nobody has looked for:
   they wait until that is known.
7. That there is nothing to do is answered under a caller's key once that key was looked up: it may
   be this very request that has done it.
8. What needs the row of a hold is decided once that was read for it; what came later waits too.
9. A change that needs room at its venue is the last of its batch: if the venue has none, it is
   clear which command is refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from actors.envelope import Envelope
from actors.hold_rows import NOTHING_READ, HoldsRead
from evently.domain.commands import Expire
from evently.domain.commits import Batch, Record, Refused
from evently.domain.event import decide
from evently.domain.holds import Hold
from evently.domain.outcomes import (
    Accepted,
    HoldExpired,
    HoldNotFound,
    InsufficientSeats,
    Outcome,
    Refusal,
    StaleVersion,
    Unchanged,
)
from evently.domain.state import EventState
from evently.domain.value import value


@value
class Plan:
    """What to do with the envelopes that were taken.

    `batch` is None when there is nothing to commit. `replies` wait for the batch, `unproven` are
    decided again after a read, `postponed` in the next batch; `failures` met a bug. `hopeful` are
    decided again once expired holds were looked for. The plan ended at the first that is postponed
    because a row was `unread`, if so.
    """

    batch: Batch | None
    replies: list[tuple[Envelope, Outcome]]
    unproven: list[Envelope]
    failures: list[tuple[Envelope, Exception]]
    postponed: Sequence[Envelope] = ()
    hopeful: Sequence[Envelope] = ()
    unread: bool = False


def plan(
    state: EventState,
    envelopes: Sequence[Envelope],
    now: datetime,
    read: HoldsRead = NOTHING_READ,
) -> Plan:
    """Decide `envelopes` in order on `state`, with what was `read` of its holds."""
    planned = _Planning(state, read)
    for position, envelope in enumerate(envelopes, 1):
        try:
            outcome = decide(planned.after, envelope.request.command, now, planned.rows)
        except Exception as error:  # noqa: BLE001 - rule 5: whatever it is, its neighbours go on
            planned.failures.append((envelope, error))
            continue
        if isinstance(outcome, Accepted):
            planned.accept(envelope, outcome)
            if outcome.entry.needs_room:
                planned.postponed = envelopes[position:]
                break
        elif _is_unread(envelope, outcome, read):
            planned.postponed, planned.unread = envelopes[position - 1 :], True
            break
        else:
            planned.refuse(envelope, outcome)
    return planned.done()


class _Planning:
    """A plan while it is made: `after` is the state, and `rows` are the holds, that it led to."""

    __slots__ = (
        "_base",
        "_changed",
        "_hopeful",
        "_read",
        "_records",
        "_refused",
        "_replies",
        "_unproven",
        "after",
        "failures",
        "postponed",
        "rows",
        "unread",
    )

    def __init__(self, state: EventState, read: HoldsRead) -> None:
        self._base = self.after = state
        self._read = read
        self.rows: dict[str, Hold | None] = dict(read.rows)
        self.failures: list[tuple[Envelope, Exception]] = []
        self.postponed: Sequence[Envelope] = ()
        self.unread = False
        self._changed: dict[str, Hold] = {}
        self._records: list[Record] = []
        self._refused: list[Refused] = []
        self._replies: list[tuple[Envelope, Outcome]] = []
        self._unproven: list[Envelope] = []
        self._hopeful: list[Envelope] = []

    def accept(self, envelope: Envelope, outcome: Accepted) -> None:
        request, entry = envelope.request, outcome.entry
        self.after = outcome.state
        for hold in entry.holds:
            self.rows[hold.hold_id] = self._changed[hold.hold_id] = hold
        self._records.append(Record(entry, request.key, envelope.text, request.origin))
        self._replies.append((envelope, outcome))

    def refuse(self, envelope: Envelope, outcome: Refusal | Unchanged) -> None:
        request, held = envelope.request, self.after.held_seats
        if not envelope.checked and (
            _is_ahead(outcome) or (request.keyed and isinstance(outcome, Unchanged))
        ):
            self._unproven.append(envelope)
            return
        if held and self._read.hopes and _lacks_seats(outcome):
            self._hopeful.append(envelope)
            return
        if held and isinstance(outcome, InsufficientSeats):
            outcome = replace(outcome, next_hold_expires_at=self._read.next_expires_at)
        if request.keyed and not isinstance(outcome, Unchanged):
            self._refused.append(Refused(outcome, request.key, envelope.text, request.origin))
        self._replies.append((envelope, outcome))

    def done(self) -> Plan:
        batch, replies, unproven = None, self._replies, self._unproven
        after = self.after
        if self._refused:
            after = replace(after, fence=self._base.fence + 1)
        if self._records or self._refused:
            records, refused = tuple(self._records), tuple(self._refused)
            batch = Batch(self._base, after, records, refused, tuple(self._changed.values()))
        else:
            unproven += [envelope for envelope, _ in replies if not envelope.checked]
            replies = [(envelope, outcome) for envelope, outcome in replies if envelope.checked]
        return Plan(
            batch,
            replies,
            unproven,
            self.failures,
            self.postponed,
            self._hopeful,
            self.unread,
        )


def _is_unread(envelope: Envelope, outcome: Outcome, read: HoldsRead) -> bool:
    """Whether it was decided without the rows that it needs."""
    if isinstance(outcome, HoldNotFound):
        return outcome.hold_id not in read.rows
    return isinstance(envelope.request.command, Expire) and not read.looked


def _lacks_seats(outcome: Outcome) -> bool:
    """Whether a hold that has expired could help it."""
    if isinstance(outcome, InsufficientSeats | HoldExpired):
        return outcome.requested > outcome.available
    return False


def _is_ahead(outcome: Outcome) -> bool:
    """Whether the caller has seen a later version than we have: another writer was at work."""
    return isinstance(outcome, StaleVersion) and outcome.expected_version > outcome.current_version
