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
6. Nobody is refused for want of seats while a hold may have expired that nobody has looked for, or
   a hold or a block is to be freed and is not yet: they wait until it is.
7. That there is nothing to do is answered under a caller's key once that key was looked up: it may
   be this very request that has done it.
8. What needs the row of a hold is decided once that was read for it; what came later waits too.
9. A change that needs room at its venue is the last of its batch: if the venue has none, it is
   clear which command is refused. So is one of when seats are sold: the statement compares the
   clock with the times that the event has before it.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from actors.envelope import Envelope
from actors.hold_rows import NOTHING_READ, HoldsRead
from evently.domain.commands import Expire
from evently.domain.commits import Batch, Record, Refused
from evently.domain.event import decide
from evently.domain.holds import Hold, Holds
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
    after, rows = state, dict(read.rows)
    records: list[Record] = []
    refusing = _Refusing(read, rows, now)
    replies = refusing.replies
    changed: dict[str, Hold] = {}
    failures: list[tuple[Envelope, Exception]] = []
    postponed: Sequence[Envelope] = ()
    unread = False
    for position, envelope in enumerate(envelopes, 1):
        request = envelope.request
        try:
            outcome = decide(after, request.command, now, rows)
        except Exception as error:  # noqa: BLE001 - rule 5: whatever it is, its neighbours go on
            failures.append((envelope, error))
            continue
        if isinstance(outcome, Accepted):
            after, entry = outcome.state, outcome.entry
            records.append(Record(entry, request.key, envelope.text, request.origin))
            replies.append((envelope, outcome))
            for hold in entry.holds:
                rows[hold.hold_id] = changed[hold.hold_id] = hold
            if entry.ends_batch:
                postponed = envelopes[position:]
                break
        elif _is_unread(envelope, outcome, read):
            postponed, unread = envelopes[position - 1 :], True
            break
        else:
            refusing.refuse(envelope, outcome, after)
    unproven, refused = refusing.unproven, refusing.refused
    batch = None
    if refused:
        after = replace(after, fence=state.fence + 1)
    if records or refused:
        holds = tuple(changed.values())
        batch = Batch(state, after, tuple(records), tuple(refused), holds)
    else:
        unproven += [envelope for envelope, _ in replies if not envelope.checked]
        replies = [(envelope, outcome) for envelope, outcome in replies if envelope.checked]
    return Plan(batch, replies, unproven, failures, postponed, refusing.hopeful, unread)


class _Refusing:
    """What becomes of commands that change nothing, and all `replies` in order."""

    __slots__ = ("_now", "_read", "_rows", "hopeful", "refused", "replies", "unproven")

    def __init__(self, read: HoldsRead, rows: Holds, now: datetime) -> None:
        self._read = read
        self._rows = rows
        self._now = now
        self.replies: list[tuple[Envelope, Outcome]] = []
        self.refused: list[Refused] = []
        self.unproven: list[Envelope] = []
        self.hopeful: list[Envelope] = []

    def refuse(self, envelope: Envelope, outcome: Refusal | Unchanged, state: EventState) -> None:
        """Reply with the outcome in `state`, if it is the last word."""
        request = envelope.request
        if not envelope.checked and (
            _is_ahead(outcome) or (request.keyed and isinstance(outcome, Unchanged))
        ):
            self.unproven.append(envelope)
            return
        if _lacks_seats(outcome) and self._may_be_helped(state):
            self.hopeful.append(envelope)
            return
        if state.held_seats and isinstance(outcome, InsufficientSeats) and not outcome.holdback:
            outcome = replace(outcome, next_hold_expires_at=self._read.next_expires_at)
        if request.keyed and not isinstance(outcome, Unchanged):
            self.refused.append(Refused(outcome, request.key, envelope.text, request.origin))
        self.replies.append((envelope, outcome))

    def _may_be_helped(self, state: EventState) -> bool:
        return state.releases(self._now) or (state.held_seats > 0 and self._hopes())

    def _hopes(self) -> bool:
        """Whether a hold may have expired that nobody has looked for, or that is not freed yet."""
        return self._read.hopes or any(
            hold is not None and hold.status_at(self._now) is not hold.status
            for hold in self._rows.values()
        )


def _is_unread(envelope: Envelope, outcome: Outcome, read: HoldsRead) -> bool:
    """Whether it was decided without the rows that it needs."""
    if isinstance(outcome, HoldNotFound):
        return outcome.hold_id not in read.rows
    return isinstance(envelope.request.command, Expire) and not read.looked


def _lacks_seats(outcome: Outcome) -> bool:
    """Whether more free seats could help it."""
    match outcome:
        case InsufficientSeats(holdback=None) | HoldExpired():
            return outcome.requested > outcome.available
        case _:
            return False


def _is_ahead(outcome: Outcome) -> bool:
    """Whether the caller has seen a later version than we have: another writer was at work."""
    return isinstance(outcome, StaleVersion) and outcome.expected_version > outcome.current_version
