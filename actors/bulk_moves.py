"""Lets the moves of large requests in, a bounded number at a time.

A request may bring a hundred moves. If all of them went straight to their actors, a single move
that came behind ten such requests would wait for a thousand others. So only IN_PROGRESS_MAX of them
are with the actors at once; the rest wait here, in the order of their requests.

Rules:

1. Each move is a request of its own, with its own key, deadline and result; nothing holds them
   together. The moves of one request reach an event in their order.
2. A move for which there is no room is not done. If another try under its key waits here, or did a
   moment ago, its outcome is unknown; else it goes to its actor at once, as one whose deadline has
   passed, and hears what became of another try there, if there is one.
3. When the caller hangs up, the moves that wait here are dropped; the others end as a single move
   does whose caller hangs up.
4. A request whose moves are not answered for SLOW_S leaves its places to others, so that an event
   that hangs does not hold up every other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias, cast

from actors.envelope import Request
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import AnswerLost, OutcomeUnknown
from evently.domain.outcomes import Answer

# Moves of large requests that are with the actors at once: one full batch is committed while the
# next one fills.
IN_PROGRESS_MAX = 512
# Moves that wait here: half a second of work, and as many as may wait in the actors.
WAITING_MAX = 8192
# How long the keys that wait are not looked for again while there is no room, for that takes 2 ms.
NAMES_S = 0.25
# How long ago the deadline of a move was for which there is no room.
LATE_S = 0.001
# A commit that takes longer is one that hangs: on a lock, a connection, or the database.
SLOW_S = 1.0

Move: TypeAlias = tuple[str, Request]
# What became of a move: its answer, or what was raised instead.
Result: TypeAlias = Answer | Exception
Results: TypeAlias = Sequence[Result]

# An event, who asks, and their key.
_Name: TypeAlias = tuple[str, str, str]

_UNANSWERED = AnswerLost("there is no answer yet")


class _BulkRequest:
    """One request: which of its moves were let in, and what became of them.

    There was room for the first `fitting` of them.
    """

    __slots__ = (
        "asked",
        "fitting",
        "future",
        "let_in",
        "moves",
        "open",
        "places",
        "results",
        "slow",
        "timer",
    )

    def __init__(
        self, moves: Sequence[Move], fitting: int, future: "asyncio.Future[Results]"
    ) -> None:
        self.moves = moves
        self.fitting = fitting
        self.results: list[Result] = [_UNANSWERED] * len(moves)
        self.future = future
        # Moves that have not ended.
        self.open = len(moves)
        self.let_in = 0
        # Those that were asked and have no answer, by their place among the moves.
        self.asked: dict[int, asyncio.Future[Answer]] = {}
        # How many of the moves in progress are its own; none of them counts once it is slow.
        self.places = 0
        self.slow = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Moves that are to be let in."""
        return self.fitting - self.let_in

    def ended(self, place: int, result: Result) -> None:
        """Note what became of one move; after the last one, tell the caller of all."""
        self.results[place] = result
        self.open -= 1
        if not (self.open or self.future.done()):
            self.future.set_result(self.results)


class BulkMoves:
    """The large requests of one worker."""

    def __init__(
        self,
        submit: "Callable[[str, Request], asyncio.Future[Answer]]",
        unknown: UnknownOutcomes,
        *,
        in_progress_max: int = IN_PROGRESS_MAX,
        waiting_max: int = WAITING_MAX,
        slow_s: float = SLOW_S,
    ) -> None:
        self._submit = submit
        self._unknown = unknown
        self._in_progress_max = in_progress_max
        self._waiting_max = waiting_max
        self._slow_s = slow_s
        self._queue: deque[_BulkRequest] = deque()
        self._in_progress = 0
        self._waiting = 0
        # The keys that waited when there was last no room, and those that came since; until when.
        self._names: set[_Name] = set()
        self._names_until_s = float("-inf")
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Moves that are to be let in."""
        return self._waiting

    def submit(self, moves: Sequence[Move]) -> "asyncio.Future[Results]":
        """What becomes of each of `moves`, in their order, once all have ended."""
        future: asyncio.Future[Results] = self._loop.create_future()
        fitting = min(len(moves), self._waiting_max - self._waiting)
        request = _BulkRequest(moves, fitting, future)
        future.add_done_callback(partial(self._ended, request))
        if not moves:
            future.set_result([])
        if fitting:
            self._waiting += fitting
            if self._loop.time() < self._names_until_s:
                self._names.update(_name(*move) for move in moves[:fitting])
            elif self._names:
                self._names = set()
            self._queue.append(request)
            self._let_in()
        for place in range(fitting, len(moves)):
            self._ask_late(request, place, *moves[place])
        return future

    def _may_wait(self, event_id: str, move: Request) -> bool:
        """Whether another try under its key waits here, or did a moment ago."""
        now_s = self._loop.time()
        if not now_s < self._names_until_s:
            self._names_until_s = now_s + NAMES_S
            self._names = {
                _name(*waiting)
                for request in self._queue
                for waiting in request.moves[request.let_in : request.fitting]
            }
        return _name(event_id, move) in self._names

    def _let_in(self) -> None:
        """Hand on moves as far as there are places."""
        while self._queue and self._in_progress < self._in_progress_max:
            request = self._queue[0]
            if not request.waiting:
                self._queue.popleft()
                continue
            place = request.let_in
            request.let_in += 1
            self._waiting -= 1
            self._ask(request, place, *request.moves[place])
        if self._names and not self._waiting:
            self._names, self._names_until_s = set(), float("-inf")

    def _ask_late(self, request: _BulkRequest, place: int, event_id: str, move: Request) -> None:
        """Ask what became of another try of a move for which there is no room."""
        if move.keyed and self._may_wait(event_id, move):
            fault = OutcomeUnknown(move.key)
            request.ended(place, self._unknown.told(event_id, move, fault))
        else:
            late = replace(move, deadline_s=self._loop.time() - LATE_S)
            self._ask(request, place, event_id, late)

    def _ask(self, request: _BulkRequest, place: int, event_id: str, move: Request) -> None:
        try:
            answer = self._submit(event_id, move)
        except Exception as raised:  # noqa: BLE001 - rule 1: whatever it is, the others go on
            request.ended(place, raised)
            return
        request.asked[place] = answer
        if place < request.fitting:
            if request.timer is None:
                request.timer = self._loop.call_later(self._slow_s, self._is_slow, request)
            if not request.slow:
                request.places += 1
                self._in_progress += 1
        answer.add_done_callback(partial(self._answered, request, place))

    def _answered(
        self, request: _BulkRequest, place: int, answer: "asyncio.Future[Answer]"
    ) -> None:
        del request.asked[place]
        if place < request.fitting and not request.slow:
            request.places -= 1
            self._in_progress -= 1
        if answer.cancelled():
            request.ended(place, AnswerLost("nobody waited for the answer"))
        else:
            raised = cast("Exception | None", answer.exception())
            request.ended(place, answer.result() if raised is None else raised)
        self._let_in()

    def _ended(self, request: _BulkRequest, future: "asyncio.Future[Results]") -> None:
        """All is answered, or the caller has hung up."""
        if request.timer is not None:
            request.timer.cancel()
        if future.cancelled():
            if request.waiting:
                self._waiting -= request.waiting
                self._queue.remove(request)
            request.let_in = request.fitting
            for answer in request.asked.values():
                answer.cancel()

    def _is_slow(self, request: _BulkRequest) -> None:
        request.slow = True
        self._in_progress -= request.places
        request.places = 0
        self._let_in()


def _name(event_id: str, move: Request) -> _Name:
    return event_id, move.origin.caller, move.key
