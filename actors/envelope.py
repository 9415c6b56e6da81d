"""A request on its way to its event, and the answer on its way back.

Rule: an envelope is answered exactly once, whoever waits; a repetition of it that arrives while
it is open waits for the same answer.
"""

import asyncio

from evently.domain.commands import Command, Reserve, Return
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done, Refusal
from evently.domain.value import value


@value
class Request:
    """What is asked of an event, by whom.

    `key` is unique per event; `keyed` tells that the caller chose it and may send it again.
    `origin` goes into the ledger. After `deadline_s`, by the monotonic clock that all processes
    of a machine share, nobody waits for the answer any more. A
    `doubtful` request may have been carried out before: a refusal of it is not final.
    """

    command: Command
    key: str
    keyed: bool
    origin: Origin
    deadline_s: float
    doubtful: bool = False


def canonical(command: Command) -> str:
    """`command` as the ledger notes it; another text under the same key is another request."""
    match command:
        case Reserve(seats, version, retry):
            quantity = -seats
        case Return(seats, version, retry):
            quantity = seats
        case _:
            return f"{type(command).__name__.lower()} at {command.version}"
    at = "*" if version is None else version
    return f"{quantity:+d} at {at}{' or retry' if retry else ''}"


class Envelope:
    """A request, those who wait for its answer, and how far it got.

    `refusal` is the final one that was given under the same key before: it stands, unless the
    ledger holds the key by now.

    `checked` tells that the ledger was asked for its key, and the database for the event's
    state, since the request came: a refusal is then final. `attempts` counts how often its batch
    could not be committed.
    """

    __slots__ = ("_followers", "_future", "_text", "attempts", "checked", "refusal", "request")

    def __init__(
        self, request: Request, future: "asyncio.Future[Answer]", refusal: Refusal | None = None
    ) -> None:
        self.request = request
        self.refusal = refusal
        self.checked = False
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
    )
