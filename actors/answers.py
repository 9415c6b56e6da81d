"""The answers that are made of outcomes, and of what the ledger holds.

Rule: an answer tells what is committed, and when it was; a refusal is its own answer.
"""

from datetime import datetime

from actors.envelope import Request, canonical, repeated
from evently.domain.commits import Noted
from evently.domain.outcomes import Accepted, Answer, Done, KeyReused, Outcome, Unchanged
from evently.domain.state import EventState


def committed(state: EventState, now: datetime) -> EventState:
    """`state` with the time of its commit."""
    return EventState(
        state.details,
        state.total_capacity,
        state.available_seats,
        state.status,
        state.version,
        state.terms_version,
        state.revenue,
        now,
        state.cancelled_as_draft,
        state.fence,
        state.held_seats,
        state.edited_version,
    )


def answer_to(outcome: Outcome, now: datetime) -> Answer:
    """What the caller of a command hears once its batch is committed, at `now`."""
    if isinstance(outcome, Accepted):
        entry = outcome.entry
        state = None
        if entry.changes is not None and entry.edits:
            state = committed(outcome.state, now)
        hold = entry.holds[0] if entry.holds else None
        # An admin's answer has the whole state, and a hold its own price.
        priced = state is None and hold is None
        return Done(
            entry.version,
            entry.available_seats,
            entry.status,
            now,
            state,
            outcome.retried,
            hold,
            False,
            outcome.state.unit_price if priced else None,
        )
    if isinstance(outcome, Unchanged):
        return Done(
            outcome.version, outcome.available_seats, outcome.status, now, hold=outcome.hold
        )
    return outcome


def from_ledger(request: Request, known: Noted) -> Answer:
    """What is heard by a request whose key the ledger holds."""
    if known.request != canonical(request.command):
        return KeyReused(request.key)
    return repeated(known.answer)
