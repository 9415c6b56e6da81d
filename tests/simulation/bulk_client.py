"""A client that sends several moves in one request, in one of the simulation's worlds.

Rule: each move is an attempt of its own, and the checker hears of it as soon as its actor has
answered; the result that the request brings later must be that very answer.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from actors.bulk_moves import Move as Asked
from actors.bulk_moves import Result
from actors.envelope import Request
from evently.domain.errors import Fault
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done
from tests.simulation.checker import OPEN, Attempt, End

if TYPE_CHECKING:
    from tests.simulation.world import Move, Worker, World

MOVES_MAX = 8
TRIES_MAX = 4
UNSURE = OPEN | {End.NOTHING_DONE}


class BulkClient:
    """One client; what it wants is drawn like what the others want."""

    def __init__(self, world: "World", number: int) -> None:
        self._world = world
        self._chance = world.chance
        self._name = f"bulk{number}"

    async def run(self) -> None:
        """Send a few requests, each until the end of its moves is known."""
        for number in range(self._chance.randint(1, 3)):
            await asyncio.sleep(self._chance.choice((0.0, 0.003, 0.1, 2.0)))
            moves = [
                self._world.wish(f"{self._name}-{number}-{place}", "booking")
                for place in range(self._chance.randint(1, MOVES_MAX))
            ]
            keyed = [move for move in moves if move.keyed]
            if keyed and self._chance.random() < self._world.doubles:
                moves.append(self._chance.choice(keyed))
            await self._carry_out(moves)

    async def _carry_out(self, moves: "list[Move]") -> None:
        for _ in range(TRIES_MAX):
            task = self._send(moves)
            if self._chance.random() < 0.12:
                self._world.loop.call_later(self._chance.uniform(0.0, 0.02), task.cancel)
            (sent,) = await asyncio.gather(task, return_exceptions=True)
            ends = {one.end for one in sent} if isinstance(sent, list) else OPEN
            moves = [move for move in moves if move.keyed]
            if not moves or (not UNSURE & ends and self._chance.random() > self._world.insists):
                return
            await asyncio.sleep(self._chance.choice((0.0, 0.01, 1.0, 4.0)))

    def _send(self, moves: "list[Move]") -> "asyncio.Task[list[Attempt]]":
        worker = self._chance.choice(self._world.workers)
        task = asyncio.create_task(self._attempt(worker, moves))
        worker.waiting.add(task)
        task.add_done_callback(worker.waiting.discard)
        return task

    async def _attempt(self, worker: "Worker", moves: "list[Move]") -> list[Attempt]:
        now_s = self._world.loop.time()
        by_s = now_s + self._chance.choice((2.0, 2.0, 0.002))
        heard: dict[int, Result] = {}
        attempts: list[Attempt] = []
        asked: list[Asked] = []
        for place, move in enumerate(moves):
            of = (move.event_id, move.caller, move.key, move.keyed, move.command)
            attempts.append(Attempt(*of, worker.name, now_s))
            self._world.checker.sent(attempts[-1])
            origin = Origin(move.caller, "request")
            request = Request(move.command, move.key, move.keyed, origin, by_s)
            asked.append((move.event_id, request))
            worker.heard[id(origin)] = partial(self._hear, attempts[-1], heard, place)
        try:
            results = await worker.bulk.submit(asked)
        except asyncio.CancelledError:
            for attempt in attempts:
                if attempt.end is End.OPEN:
                    self._world.checker.hung_up(attempt)
            return attempts
        for place, result in enumerate(results):
            self._compare(attempts[place], heard.get(place), result)
        return attempts

    def _hear(
        self,
        attempt: Attempt,
        heard: dict[int, Result],
        place: int,
        future: "asyncio.Future[Answer]",
    ) -> None:
        """The actor has answered a move; the request may still wait for others."""
        if future.cancelled() or attempt.end is not End.OPEN:
            return
        fault = future.exception()
        if isinstance(fault, Fault):
            heard[place] = fault
            self._world.checker.failed(attempt, fault)
            return
        answer = heard[place] = future.result()
        self._world.checker.answered(attempt, answer)
        if isinstance(answer, Done):
            self._world.saw(attempt.event_id, answer.version)

    def _compare(self, attempt: Attempt, heard: Result | None, result: Result) -> None:
        """Hold what the request brought against what the actor has answered."""
        if heard is None and isinstance(result, Fault):
            self._world.checker.failed(attempt, result)
        elif heard is not result:
            self._world.checker.violations.append(f"{result} instead of {heard}: {attempt}")
