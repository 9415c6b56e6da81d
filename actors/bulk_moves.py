"""Lets the moves of large requests in, a bounded number at a time.

A request may bring a hundred moves. If all of them went straight to their actors, a single move
that came behind ten such requests would wait for a thousand others. So only IN_PROGRESS_MAX of them
are with the actors at once; the rest wait here, in the order of their requests.

Rules:

1. Each move is a request of its own, with its own key, deadline and result; nothing holds them
   together. The moves of one request reach an event in their order.
2. A move for which there is no room, or whose deadline passes here, is not done; its caller hears
   so, unless the outcome under its key was unknown before.
3. When the caller hangs up, the moves that wait here are dropped; the others end as a single move
   does whose caller hangs up.
4. A request whose moves are not answered for SLOW_S leaves its places to others, so that an event
   that hangs does not hold up every other.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias, cast

from actors.envelope import Request
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import AnswerLost, Fault, Overloaded
from evently.domain.outcomes import Answer

# Moves of large requests that are with the actors at once: one full batch is committed while the
# next one fills.
IN_PROGRESS_MAX = 512
# Moves that wait here: half a second of work, and as many as may wait in the actors.
WAITING_MAX = 8192
# A commit that takes longer is one that hangs: on a lock, a connection, or the database.
SLOW_S = 1.0

Move: TypeAlias = tuple[str, Request]
# What became of a move: its answer, or what was raised instead.
Result: TypeAlias = Answer | Exception
Results: TypeAlias = Sequence[Result]

_UNANSWERED = AnswerLost("there is no answer yet")


class _BulkRequest:
    """One request: which of its moves were let in, and what became of them."""

    __slots__ = ("asked", "future", "let_in", "moves", "places", "results", "slow", "timer")

    def __init__(
        self, moves: Sequence[Move], results: list[Result], future: "asyncio.Future[Results]"
    ) -> None:
        self.moves = moves
        self.results = results
        self.future = future
        self.let_in = 0
        # Those that were let in and have no answer, by their place among the moves.
        self.asked: dict[int, asyncio.Future[Answer]] = {}
        # How many of the moves in progress are its own; none of them counts once it is slow.
        self.places = 0
        self.slow = False
        self.timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Moves that were not let in."""
        return len(self.moves) - self.let_in


class BulkMoves:
    """The large requests of one worker."""

    def __init__(
        self,
        submit: "Callable[[str, Request], asyncio.Future[Answer]]",
        monotonic: Callable[[], float],
        unknown: UnknownOutcomes,
        *,
        in_progress_max: int = IN_PROGRESS_MAX,
        waiting_max: int = WAITING_MAX,
        slow_s: float = SLOW_S,
    ) -> None:
        self._submit = submit
        self._monotonic = monotonic
        self._unknown = unknown
        self._in_progress_max = in_progress_max
        self._waiting_max = waiting_max
        self._slow_s = slow_s
        self._queue: deque[_BulkRequest] = deque()
        self._in_progress = 0
        self._waiting = 0
        self._loop = asyncio.get_running_loop()

    @property
    def waiting(self) -> int:
        """Moves that were not let in."""
        return self._waiting

    def submit(self, moves: Sequence[Move]) -> "asyncio.Future[Results]":
        """What becomes of each of `moves`, in their order, once all have ended."""
        future: asyncio.Future[Results] = self._loop.create_future()
        fitting = moves[: self._waiting_max - self._waiting]
        results: list[Result] = [_UNANSWERED] * len(fitting)
        results += [self._overloaded(move, "too many moves wait") for move in moves[len(fitting) :]]
        request = _BulkRequest(fitting, results, future)
        future.add_done_callback(partial(self._ended, request))
        self._waiting += request.waiting
        self._queue.append(request)
        self._let_in()
        self._look_for_end(request)
        return future

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
            try:
                self._ask(request, place)
            except Exception as raised:  # noqa: BLE001 - rule 1: whatever it is, the others go on
                request.results[place] = raised
                self._look_for_end(request)

    def _ask(self, request: _BulkRequest, place: int) -> None:
        event_id, move = request.moves[place]
        if move.deadline_s < self._monotonic():
            raise self._overloaded((event_id, move), "the deadline passed while the move waited")
        answer = self._submit(event_id, move)
        request.asked[place] = answer
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
        if not request.slow:
            request.places -= 1
            self._in_progress -= 1
        if answer.cancelled():
            request.results[place] = AnswerLost("nobody waited for the answer")
        else:
            raised = cast("Exception | None", answer.exception())
            request.results[place] = answer.result() if raised is None else raised
        self._look_for_end(request)
        self._let_in()

    def _overloaded(self, move: Move, why: str) -> Fault:
        event_id, request = move
        return self._unknown.told(event_id, request, Overloaded(why))

    def _look_for_end(self, request: _BulkRequest) -> None:
        if not (request.waiting or request.asked or request.future.done()):
            request.future.set_result(request.results)

    def _ended(self, request: _BulkRequest, future: "asyncio.Future[Results]") -> None:
        """All is answered, or the caller has hung up."""
        if request.timer is not None:
            request.timer.cancel()
        if future.cancelled():
            self._waiting -= request.waiting
            request.let_in = len(request.moves)
            for answer in request.asked.values():
                answer.cancel()

    def _is_slow(self, request: _BulkRequest) -> None:
        request.slow = True
        self._in_progress -= request.places
        request.places = 0
        self._let_in()
