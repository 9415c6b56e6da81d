"""A request on its way to its event, and the answer on its way back.

Rule: an envelope is answered exactly once, whoever waits; a repetition of it that arrives while
it is open waits for the same answer.
"""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

from evently.domain.commands import (
    ChangeHold,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
)
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done, KeyReused
from evently.domain.value import value

# Texts of seat moves that are remembered: most are of a few seats, at any version. Making one takes
# a tenth of an actor's time for a move.
MOVE_TEXTS_MAX = 1024

# The name of a caller, and the key under which it asked.
CallerKey: TypeAlias = tuple[str, str]


@value
class Request:
    """What is asked of an event, by whom.

    `key` is unique per event and caller; `keyed` tells that it may be sent again, so that a refusal
    of it must be the last word. `origin` goes into the ledger. After `deadline_s`, by the monotonic
    clock that all processes of a machine share, nobody waits for the answer any more. A `doubtful`
    request may have been carried out before: where it cannot be answered, its outcome is unknown.
    """

    command: Command
    key: str
    keyed: bool
    origin: Origin
    deadline_s: float
    doubtful: bool = False

    @property
    def scope(self) -> CallerKey:
        """Its key, and whose that is."""
        return self.origin.caller, self.key


def canonical(command: Command) -> str:
    """`command` as the ledger notes it; another text under the same key is another request."""
    match command:
        case Reserve(seats, version, retry, amount, holdback):
            quantity = -seats
            if holdback is not None:
                block = f" from {json.dumps(holdback)}"
                return f"{quantity}{block}{_paid(amount)} {_at(version, retry=retry)}"
        case Return(seats, version, retry, amount):
            quantity = seats
        case PlaceHold(_, seats, duration_s, reference, version, retry):
            # Its id follows from the key, and the time when it expires from the duration.
            named = "" if reference is None else f" as {json.dumps(reference)}"
            return f"hold {seats} for {duration_s} s{named} {_at(version, retry=retry)}"
        case ChangeHold(hold_id, new_seats, new_duration_s):
            seats_to = "" if new_seats is None else f" to {new_seats}"
            time_to = "" if new_duration_s is None else f" for {new_duration_s} s"
            return f"change {hold_id}{seats_to}{time_to}"
        case Confirm(hold_id, amount, retake):
            return f"confirm {hold_id}{_paid(amount)}{'' if retake else ' if not late'}"
        case Release(hold_id):
            return f"release {hold_id}"
        case Expire():
            return "expire holds"
        case _:
            at = _at(command.version, retry=command.retry)
            return f"{type(command).__name__.lower()} {at}"
    if amount is None:
        return _move_text(quantity, version, retry)
    return f"{quantity:+d}{_paid(amount)} {_at(version, retry=retry)}"


@lru_cache(MOVE_TEXTS_MAX)
def _move_text(quantity: int, version: int | None, retry: bool) -> str:
    return f"{quantity:+d} {_at(version, retry=retry)}"


def _at(version: int | None, *, retry: bool) -> str:
    return f"at {'*' if version is None else version}{' or retry' if retry else ''}"


def _paid(amount: Decimal | None) -> str:
    return "" if amount is None else f" for {amount}"


class Envelope:
    """A request, those who wait for its answer, and how far it got.

    `scope` is its key, and whose that is. `checked` tells that the event's state was read since the
    request came, and then its key looked up, so that a refusal rests on a proven state. `attempts`
    counts how often its batch could not be committed. `in_doubt` tells that its last batch may have
    been committed all the same, which a look at its key will tell.
    """

    __slots__ = (
        "_followers",
        "_future",
        "_text",
        "attempts",
        "checked",
        "in_doubt",
        "request",
        "scope",
    )

    def __init__(self, request: Request, future: "asyncio.Future[Answer]") -> None:
        self.request = request
        self.scope = request.scope
        self.checked = False
        self.in_doubt = False
        self.attempts = 0
        self._text = ""
        self._future = future
        self._followers: list[asyncio.Future[Answer]] = []

    def __repr__(self) -> str:
        return f"<Envelope {canonical(self.request.command)!r} key={self.request.key!r}>"

    @property
    def text(self) -> str:
        """The command in canonical form."""
        if not self._text:
            self._text = canonical(self.request.command)
        return self._text

    def tried(self, *, undone: bool) -> None:
        """Its batch was not committed, or may have been unless it is `undone`: look it up."""
        self.attempts += 1
        self.checked = False
        self.in_doubt |= not undone

    def join(self, future: "asyncio.Future[Answer]") -> None:
        """Let a repetition of the request wait for the same answer."""
        self._followers.append(future)

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for the answer."""
        if not self._future.done():
            return True
        return any(not follower.done() for follower in self._followers)

    def answer(self, answer: Answer) -> None:
        """Give the answer to all who wait."""
        if not self._future.done():
            self._future.set_result(answer)
        for follower in self._followers:
            if not follower.done():
                follower.set_result(repeated(answer))

    def fail(self, fault: Exception) -> None:
        """Tell all who wait that there is no answer."""
        for future in (self._future, *self._followers):
            if not future.done():
                future.set_exception(fault)


class OpenKeys:
    """An event's open requests with their caller's key; a repetition waits with the first."""

    __slots__ = ("_envelopes",)

    def __init__(self) -> None:
        # Most events have none at a time: None costs less than an empty dictionary.
        self._envelopes: dict[CallerKey, Envelope] | None = None

    def __len__(self) -> int:
        return len(self._envelopes or ())

    def __contains__(self, scope: CallerKey) -> bool:
        return self._envelopes is not None and scope in self._envelopes

    def join(self, scope: CallerKey, request: Request, future: "asyncio.Future[Answer]") -> bool:
        """Let `future` have the answer of the open request under its key, if there is one.

        Another command under the same key is answered at once: KeyReused.
        """
        first = self._envelopes.get(scope) if self._envelopes else None
        if first is None:
            return False
        if first.request.command != request.command:
            future.set_result(KeyReused(request.key))
            return True
        first.join(future)
        if request.doubtful:
            first.request = replace(first.request, doubtful=True)
        return True

    def add(self, envelope: Envelope) -> None:
        """From now on, a repetition joins `envelope`."""
        if self._envelopes is None:
            self._envelopes = {}
        self._envelopes[envelope.scope] = envelope

    def remove(self, envelope: Envelope) -> None:
        """`envelope` is answered, or dropped."""
        if self._envelopes is not None and envelope.request.keyed:
            self._envelopes.pop(envelope.scope, None)


def repeated(answer: Answer) -> Answer:
    """`answer` as a repetition of the request gets it."""
    if not isinstance(answer, Done):
        return answer
    return Done(
        answer.version,
        answer.available_seats,
        answer.status,
        answer.committed_at,
        state=answer.state,
        replayed=True,
        hold=answer.hold,
        unit_price=answer.unit_price,
    )
