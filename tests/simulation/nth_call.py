"""A fixed script of 30 moves, of which the n-th call to the store fails, in each way there is.

Rule: without a failure every run makes the same calls in the same order, so that the n-th call
is the same one for every fate that befalls it.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.commits import Record
from evently.domain.errors import Fault
from evently.domain.event import created
from evently.domain.origin import Origin
from tests.examples import ADMIN, VENUE, VENUE_CAPACITY, batch, details, publish
from tests.examples import NOW as EPOCH
from tests.memory_store import Call, Fate, MemoryDatabase, MemoryStore, Step
from tests.simulation.checker import Attempt, Checker, End
from tests.simulation.virtual_loop import run
from tests.simulation.world import Silence

READ_FATES = (
    Fate.UNAVAILABLE,
    Fate.OVERLOADED,
    Fate.ANSWER_LOST,
    Fate.UNPROVEN,
    Fate.BUG,
)
COMMIT_FATES = tuple(fate for fate in Fate if fate is Fate.BUG or fate not in READ_FATES)[1:]
# What comes late comes while the search is on, or after it was given up.
LATER_S = (0.0, 0.5, 3.0)
ANSWERED_S = 12.0
# Between the moves of a wave, so that some share a statement and some do not.
APART_S = 0.0008


@dataclass(frozen=True)
class Move:
    """One move of the script; those of a wave are sent at once."""

    wave: int
    event: int
    command: Command
    key: str
    keyed: bool = True


SCRIPT: Sequence[Move] = (
    Move(0, 0, Reserve(2, None), "a1"),
    Move(0, 0, Reserve(1, 2), "a2"),
    Move(0, 1, Reserve(3, 2), "a3"),
    Move(0, 2, Reserve(5, 2, True), "a4"),
    Move(0, 2, Reserve(1, None), "a5", False),
    Move(1, 0, Return(1, None), "b1"),
    Move(1, 0, Return(1, None), "b1"),
    Move(1, 0, Reserve(3, 2, True), "b2"),
    Move(1, 1, Update(ADMIN, True, 3, {"total_capacity": 12}, 40), "b3", False),
    Move(1, 1, Reserve(4, None), "b4"),
    Move(2, 2, Reserve(9, None), "c1"),
    Move(2, 2, Return(6, None), "c2"),
    Move(2, 2, Reserve(9, None), "c3"),
    Move(2, 2, Reserve(4, None), "c3"),
    Move(2, 0, Return(9, None), "c4"),
    Move(2, 1, Update(ADMIN, True, 4, {"description": "new", "base_price": Decimal(9)}, 0), "c5"),
    Move(3, 1, Reserve(1, 3, True), "d1"),
    Move(3, 1, Reserve(1, None), "d2", False),
    Move(3, 0, Reserve(2, None), "d3"),
    Move(3, 0, Reserve(2, None), "d4"),
    Move(3, 0, Return(2, None), "d5"),
    Move(3, 0, Reserve(2, None), "a1"),
    Move(4, 0, Reserve(8, None), "e1"),
    Move(4, 0, Reserve(1, None), "e2"),
    Move(4, 1, Cancel(ADMIN, True, 7), "e3", False),
    Move(4, 2, Reserve(2, None), "e4"),
    Move(5, 1, Reserve(1, None), "f1"),
    Move(5, 1, Return(2, None), "f2"),
    Move(5, 2, Reserve(1, 900), "f3"),
    Move(5, 2, Return(1, None), "f4", False),
)


class Play:
    """One run of the script, of which call `fail_at` meets `fate`."""

    def __init__(self, fail_at: int = -1, fate: Fate = Fate.ANSWER, later_s: float = 0.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.database = MemoryDatabase(EPOCH, self.loop.time, venues={VENUE: VENUE_CAPACITY})
        self.checker = Checker(self.database)
        self.checker.bugs_planted = fate in {Fate.BUG, Fate.BROKEN, Fate.NO_ROWS}
        self.store = MemoryStore(self.database, self._script, "worker")
        self._fail_at = fail_at
        self._step = Step(fate, 0.001, 0.001, later_s)

    async def run(self) -> Checker:
        """Play the script, and let what comes late come."""
        events = [self._open(index) for index in range(3)]
        registry = Registry(self.store, DatabaseClock(self.loop.time), Silence())
        registry.start()
        for wave in range(1 + max(move.wave for move in SCRIPT)):
            moves = [move for move in SCRIPT if move.wave == wave]
            await asyncio.gather(
                *(
                    self._carry_out(registry, events[move.event], move, number * APART_S)
                    for number, move in enumerate(moves)
                )
            )
        await asyncio.sleep(20.0)
        await registry.stop()
        self.checker.finish()
        found = self.checker.violations
        if self.checker.slowest_s > ANSWERED_S:
            found.append(f"somebody waited for {self.checker.slowest_s:.1f} s")
        if registry.pending or self.store.open_lanes:
            found.append(f"{registry.pending} requests, {self.store.open_lanes} lanes are open")
        if len(asyncio.all_tasks()) > 1:
            found.append(f"tasks are left: {asyncio.all_tasks()}")
        return self.checker

    def _script(self, call: Call) -> Step:
        if len(self.store.calls) - 1 == self._fail_at:
            return self._step
        return Step(before_s=0.001, after_s=0.001)

    def _open(self, index: int) -> str:
        event_id = f"00000000-0000-0000-0000-{index:012d}"
        state, entry = created(details(event_id), 10, EPOCH)
        self.database.insert(state, Record(entry, "create", "create", Origin(ADMIN, "set-up")))
        state = self.database.states[event_id]
        self.database.execute([batch(state, ("publish", publish()))], "foreign")
        return event_id

    async def _carry_out(
        self, registry: Registry, event_id: str, move: Move, after_s: float
    ) -> None:
        await asyncio.sleep(after_s)
        for _ in range(6):
            end = await self._try(registry, event_id, move)
            if not move.keyed or end not in {End.UNKNOWN, End.NOTHING_DONE}:
                return
            await asyncio.sleep(0.7)
        self.checker.violations.append(f"{move.key} never came to an end")

    async def _try(self, registry: Registry, event_id: str, move: Move) -> End:
        now_s = self.loop.time()
        attempt = Attempt(event_id, "booking", move.key, move.keyed, move.command, "worker", now_s)
        self.checker.sent(attempt)
        request = Request(
            move.command, move.key, move.keyed, Origin("booking", "request"), now_s + 2.0
        )
        try:
            self.checker.answered(attempt, await registry.ask(event_id, request))
        except Fault as fault:
            self.checker.failed(attempt, fault)
        return attempt.end


def play(fail_at: int = -1, fate: Fate = Fate.ANSWER, later_s: float = 0.0) -> list[str]:
    """What is wrong after the script in which call `fail_at` met `fate`."""
    try:
        return run(lambda: _play(fail_at, fate, later_s)).violations
    except Exception as error:  # noqa: BLE001 - a loop that hangs or complains is a finding too
        return [f"ended with {error!r}"]


async def _play(fail_at: int, fate: Fate, later_s: float) -> Checker:
    return await Play(fail_at, fate, later_s).run()


def calls() -> list[str]:
    """The kinds of the calls that the script makes when nothing fails."""

    async def clean() -> list[str]:
        undisturbed = Play()
        await undisturbed.run()
        return [call.kind for call in undisturbed.store.calls]

    return run(clean)


def failures() -> Iterator[tuple[int, Fate, float]]:
    """Every call, each with every fate that can befall it."""
    for fail_at, kind in enumerate(calls()):
        if kind != "commit":
            yield from ((fail_at, fate, 0.0) for fate in READ_FATES)
            continue
        for fate in COMMIT_FATES:
            late = fate in {Fate.RUN_LATER, Fate.STALL}
            yield from ((fail_at, fate, later_s) for later_s in (LATER_S if late else (0.0,)))
