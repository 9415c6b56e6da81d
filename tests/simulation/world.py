"""One seed's world: two workers that share events, clients that misbehave, and the weather.

Rule: everything that happens follows from the seed; the store's script and the clients draw from
one source of chance, in the order in which the loop runs them.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from actors.bulk_moves import BulkMoves
from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from evently.domain.commands import (
    Cancel,
    ChangeHold,
    Command,
    Confirm,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.commits import Batch, Record
from evently.domain.errors import Fault
from evently.domain.event import created
from evently.domain.holdbacks import kept_back
from evently.domain.holds import hold_id_of
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done
from evently.domain.state import EventState
from tests.examples import ADMIN, VENUE, VENUE_CAPACITY, batch, details, publish
from tests.examples import NOW as EPOCH
from tests.memory_store import Call, Fate, MemoryDatabase, MemoryStore, Step
from tests.simulation.blocks import Blocks
from tests.simulation.bulk_client import BulkClient
from tests.simulation.checker import Attempt, Checker, End

# Nobody waits for longer than this: a turn that hangs on the database, a search for an unknown
# outcome, and the same once more.
ANSWERED_S = 15.0
STOPPED_S = 60.0

# How often each fate befalls a commit, in a hundred; reads fail half as often.
WEATHERS: dict[str, dict[Fate, int]] = {
    "calm": {},
    "lost replies": {Fate.LOSE_REPLY: 25},
    "lost statements": {Fate.LOSE_STATEMENT: 15, Fate.LOSE_REPLY: 10},
    "late statements": {Fate.RUN_LATER: 25},
    "stalls": {Fate.STALL: 15, Fate.LOCKED: 5},
    "refusals": {Fate.NOT_DONE: 10, Fate.LOCKED: 10, Fate.OVERTAKE: 10},
    "wrong": {Fate.BROKEN: 8, Fate.KEY_TAKEN: 8},
    "storm": {
        Fate.LOSE_REPLY: 8,
        Fate.LOSE_STATEMENT: 5,
        Fate.RUN_LATER: 8,
        Fate.STALL: 4,
        Fate.NOT_DONE: 4,
        Fate.LOCKED: 4,
        Fate.OVERTAKE: 5,
        Fate.BROKEN: 2,
        Fate.KEY_TAKEN: 2,
    },
}
# As short and as long as clients may ask for; one that is committed late has less time left.
DURATIONS_S = (30, 30, 30, 45, 7200)
# Lies about what is certain; told only of statements that have no twin under way.
CLAIMS = frozenset({Fate.BROKEN, Fate.KEY_TAKEN})


class Silence:
    """Observes commits for nobody."""

    def committed(self, events: int, moves: int, seconds: float) -> None:
        """Nobody listens."""

    def overtaken(self, events: int) -> None:
        """Nobody listens."""

    def went_back(self) -> None:
        """No database goes back in these worlds: what sees one is wrong."""
        raise AssertionError("a database that did not go back is said to have done so")

    def failed(self, reason: str) -> None:
        """Nobody listens."""

    def hold_ended(self, end: str, late_s: float) -> None:
        """Nobody listens."""

    def blocks_freed(self, seats: int) -> None:
        """Nobody listens."""


@dataclass(eq=False)
class Worker:
    """One life of a worker: its store, its registry, and the clients that wait for it."""

    name: str
    store: MemoryStore
    registry: Registry
    bulk: BulkMoves
    # Who is told when a move of a large request is answered, by its request's identity.
    heard: "dict[int, Callable[[asyncio.Future[Answer]], None]]"
    waiting: set["asyncio.Task[Any]"] = field(default_factory=set)


@dataclass(frozen=True)
class Move:
    """What a client wants, under one key for all its tries."""

    event_id: str
    command: Command
    key: str
    keyed: bool
    caller: str = "booking"


class World:
    """Runs one seed; `checker` has what was found."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a seed is to be repeated, not guessed
        self.loop = asyncio.get_running_loop()
        self.database = MemoryDatabase(EPOCH, self.loop.time, venues={VENUE: VENUE_CAPACITY})
        self.checker = Checker(self.database)
        self.weather = self.chance.choice(list(WEATHERS))
        self.healed = False
        # How often clients of this seed send a key twice, and to the worker that is not at home.
        self.doubles = self.chance.choice((0.1, 0.2, 0.8))
        self.astray = self.chance.choice((0.05, 0.2, 0.5))
        # How often they, or a network, send what was answered once more.
        self.insists = self.chance.choice((0.2, 0.2, 0.7))
        self.dark_s = self._dark()
        # The last seats of one event: where refusals meet what is on its way under their keys.
        self.scarce = self.chance.random() < 0.25
        if self.scarce:
            self.weather = self.chance.choice(("late statements", "stalls", "storm"))
            self.doubles, self.astray, self.insists = 0.8, 0.5, 0.7
        number = 1 if self.scarce else self._upto(3)
        self.events = [f"00000000-0000-0000-0000-{n:012d}" for n in range(number)]
        # In half of the worlds buyers hold seats.
        self.holds = self.chance.random() < 0.5
        self.held: list[tuple[str, str]] = []
        # In a third of them sales open, pause and close. A chance of its own, so that the other
        # worlds stay what they were.
        self.window_chance = random.Random(f"windows {seed}")  # noqa: S311 - nothing is secret
        self.windows = self.window_chance.random() < 0.33
        self.blocks = Blocks(seed, self.database.now)
        self.workers: list[Worker] = []
        self.dead: list[Worker] = []
        self.lives = 0
        self.seen: dict[str, int] = {}
        self.in_doubt: dict[tuple[str, int], float] = {}

    async def run(self) -> Checker:
        """Live through the seed; afterwards everything has been answered and has ended."""
        for event_id in self.events:
            self._open(event_id)
        before = asyncio.all_tasks()
        self.workers = [self._worker(index) for index in range(2)]
        clients = [self._client(name) for name in "abcdefgh"[: 3 + self._upto(5)]]
        restarts = self._restarts() if self.chance.random() < 0.3 else asyncio.sleep(0)
        bulks = [BulkClient(self, number).run() for number in range(self.chance.choice((0, 1, 3)))]
        await asyncio.gather(*clients, *bulks, self._admin(), self._venue_owner(), restarts)
        self.healed = True
        # The latest statement arrives, and the search for what it held up ends.
        await asyncio.sleep(40.0)
        await asyncio.gather(*(self._stop(worker) for worker in self.workers))
        await asyncio.gather(*(_bury(worker) for worker in self.dead))
        self._look_for_leaks(before)
        self.checker.finish()
        return self.checker

    # The database and its weather

    def _open(self, event_id: str) -> None:
        capacity = 3 if self.scarce else self.chance.choice((3, 8, 20))
        starts_s = self.chance.choice((15.0, 1e6, 1e6, 1e6))
        starts = EPOCH + timedelta(seconds=starts_s)
        times: dict[str, Any] = {
            "start_datetime": starts,
            "end_datetime": starts + timedelta(hours=2),
        }
        if self.windows:
            times["sales_start"] = self._moment((None, 0.5, 2.0, 4.0))
            times["sales_end"] = self._moment((None, None, 6.0, 20.0))
        kept = kept_back(self.blocks.kept(capacity))
        state, entry = created(details(event_id, **times, **kept), capacity, EPOCH)
        self.database.insert(state, Record(entry, "create", "create", Origin(ADMIN, "set-up")))
        if self.chance.random() < 0.9:
            state = self.database.states[event_id]
            self.database.execute([batch(state, ("publish", publish()))], "foreign")

    def _dark(self) -> tuple[float, float]:
        """From when until when the database is out of reach."""
        if self.chance.random() < 0.75:
            return 0.0, 0.0
        since_s = self.chance.uniform(0.0, 8.0)
        return since_s, since_s + self.chance.choice((0.5, 3.0, 20.0))

    def script(self, call: Call) -> Step:
        """The fate of a call, by the weather."""
        if self.healed:
            return Step(before_s=0.001, after_s=0.001)
        quick = self.chance.random() < 0.9
        before_s = self.chance.uniform(0.0001, 0.004) if quick else self.chance.uniform(0.0, 1.0)
        after_s = self.chance.uniform(0.0001, 0.004)
        if self.dark_s[0] <= self.loop.time() < self.dark_s[1]:
            return self._in_the_dark(call, before_s)
        if call.kind != "commit":
            failing = self.weather != "calm" and self.chance.random() < 0.05
            fates = (Fate.UNAVAILABLE, Fate.OVERLOADED, Fate.ANSWER_LOST)
            return Step(self.chance.choice(fates) if failing else Fate.ANSWER, before_s, after_s)
        fate = self._fate(call.batches)
        if fate in {Fate.LOSE_STATEMENT, Fate.RUN_LATER, Fate.STALL}:
            # Until the timeout, or a connection that breaks sooner.
            after_s = self.chance.choice((0.01, 0.5, 3.0))
        later_s = after_s + self.chance.choice((0.0, 0.02, 0.7, 2.0, 7.0, 20.0))
        return Step(fate, before_s, after_s, later_s)

    def _in_the_dark(self, call: Call, before_s: float) -> Step:
        if call.kind == "commit":
            fate = self.chance.choice((Fate.NOT_DONE, Fate.NOT_DONE, Fate.LOSE_STATEMENT))
            return Step(fate, before_s, self.chance.choice((0.0, 2.0)))
        fate = self.chance.choice((Fate.UNAVAILABLE, Fate.OVERLOADED))
        return Step(fate, before_s + self.chance.choice((0.0, 1.0)))

    def _fate(self, batches: Sequence[Batch]) -> Fate:
        falls = [fate for fate, percent in WEATHERS[self.weather].items() for _ in range(percent)]
        drawn = self.chance.randrange(100)
        if drawn >= len(falls):
            return Fate.ANSWER
        fate = falls[drawn]
        bases = [(batch.event_id, batch.base.version) for batch in batches]
        if fate in CLAIMS:
            if any(base in self.in_doubt for base in bases):
                return Fate.ANSWER
            self.checker.bugs_planted |= fate is Fate.BROKEN
        else:
            self.in_doubt.update(dict.fromkeys(bases, self.loop.time()))
        return fate

    # The workers

    def _worker(self, index: int) -> Worker:
        self.lives += 1
        name = f"worker {index}, life {self.lives}"
        store = MemoryStore(self.database, self.script, name)
        registry = Registry(
            store,
            DatabaseClock(self.loop.time),
            Silence(),
            mailbox_max=self.chance.choice((4, 64)),
            pending_max=self.chance.choice((8, 256)),
            actors_max=self.chance.choice((1, 8)),
            idle_s=self.chance.choice((0.0, 300.0)),
            holds_max=self.chance.choice((0, 0, 2, 64)),
        )
        registry.start()
        heard: dict[int, Callable[[asyncio.Future[Answer]], None]] = {}

        def submit(event_id: str, request: Request) -> "asyncio.Future[Answer]":
            future = registry.submit(event_id, request)
            future.add_done_callback(heard[id(request.origin)])
            return future

        bulk = BulkMoves(
            submit,
            registry.unknown,
            in_progress_max=self.chance.choice((1, 3, 256)),
            waiting_max=self.chance.choice((4, 256)),
        )
        return Worker(name, store, registry, bulk, heard)

    async def _restarts(self) -> None:
        """Stop or kill a worker now and then, and start it again."""
        for _ in range(self._upto(2)):
            await asyncio.sleep(self.chance.choice((0.01, 0.5, 3.0, 8.0)))
            index = self.chance.randrange(2)
            if self.chance.random() < 0.5:
                self._kill(self.workers[index])
            else:
                await self._stop(self.workers[index])
            self.workers[index] = self._worker(index)

    def _kill(self, worker: Worker) -> None:
        worker.store.die()
        self.dead.append(worker)
        for attempt in list(worker.waiting):
            attempt.cancel()

    async def _stop(self, worker: Worker) -> None:
        """Stop a worker: whoever waited has been answered when it returns."""
        found = self.checker.violations
        started_s = self.loop.time()
        await worker.registry.stop()
        if self.loop.time() - started_s > STOPPED_S:
            found.append(f"{worker.name} took {self.loop.time() - started_s:.1f} s to stop")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if worker.registry.pending:
            found.append(f"{worker.registry.pending} requests are open at {worker.name}")
        if worker.bulk.waiting:
            found.append(f"{worker.bulk.waiting} moves of large requests wait at {worker.name}")
        if worker.store.open_lanes:
            found.append(f"{worker.store.open_lanes} lanes are open at {worker.name}")
        for actor in worker.registry._actors.values():
            if not actor.idle or actor._replies.open:
                found.append(f"{actor!r} holds {actor._replies.open} at {worker.name}")

    def _look_for_leaks(self, before: set["asyncio.Task[object]"]) -> None:
        found = self.checker.violations
        if left := asyncio.all_tasks() - before:
            found.append(f"tasks are left: {sorted(task.get_name() for task in left)}")
        if self.checker.slowest_s > ANSWERED_S:
            found.append(f"somebody waited for {self.checker.slowest_s:.1f} s")

    # The clients

    async def _client(self, name: str) -> None:
        caller = "booking" if name in "aceg" else "resale"
        for number in range(2 + self._upto(5)):
            pauses_s = (0.0, 0.003, 0.1, 2.0, 15.0) if self.holds else (0.0, 0.003, 0.1, 2.0)
            await asyncio.sleep(self.chance.choice(pauses_s))
            event_id = self.chance.choice(self.events)
            if self.chance.random() < 0.15:
                await self._read(event_id)
            # Two clients draw the same keys: those of a caller are its own.
            key = f"{name}{number}" if caller == "booking" else f"{chr(ord(name) - 1)}{number}"
            keyed = self.chance.random() < 0.75
            command = (
                self.blocks.taken()
                or self._about_a_hold(event_id, caller, key)
                or self._seat_move(event_id)
            )
            await self._carry_out(Move(event_id, command, key, keyed, caller))

    def wish(self, key: str, caller: str) -> Move:
        """A seat move that a client wants of any event."""
        event_id = self.chance.choice(self.events)
        keyed = self.chance.random() < 0.75
        return Move(event_id, self._seat_move(event_id), key, keyed, caller)

    def saw(self, event_id: str, version: int) -> None:
        """A client was told this version."""
        self.seen[event_id] = max(self.seen.get(event_id, 0), version)

    def _seat_move(self, event_id: str) -> Command:
        seats = self.chance.choice((1, 1, 2, 3, 6))
        version = self.chance.choice((None, None, self.seen.get(event_id, 2)))
        retry = version is not None and self.chance.random() < 0.5
        reserves = 0.5 if self.scarce else 0.65
        kind = Reserve if self.chance.random() < reserves else Return
        # A return of so much is refused while less was taken.
        amount = self.chance.choice((None, None, None, Decimal(7), Decimal(90)))
        return kind(seats, version, retry, amount)

    def _about_a_hold(self, event_id: str, caller: str, key: str) -> Command | None:
        """What a buyer does with a hold, if there are any in this world."""
        if not self.holds or self.chance.random() < 0.25:
            return None
        theirs = [hold_id for its_event, hold_id in self.held if its_event == event_id]
        if not theirs or self.chance.random() < 0.5:
            # Somebody may take a wrong hold for theirs before it was placed.
            hold_id = hold_id_of(event_id, caller, key)
            self.held.append((event_id, hold_id))
            seats = self.chance.choice((1, 1, 2, 3))
            duration_s = self.chance.choice(DURATIONS_S)
            version = self.chance.choice((None, None, self.seen.get(event_id, 2)))
            return PlaceHold(hold_id, seats, duration_s, None, version, retry=True)
        hold_id = self.chance.choice(theirs)
        drawn = self.chance.random()
        if drawn < 0.5:
            amount = self.chance.choice((None, None, Decimal(7)))
            return Confirm(hold_id, amount, retake=self.chance.random() < 0.7)
        if drawn < 0.75:
            return Release(hold_id)
        seats_to = self.chance.choice((None, 1, 2, 3))
        return ChangeHold(hold_id, seats_to, self.chance.choice(DURATIONS_S))

    async def _carry_out(self, move: Move) -> None:
        """Send the move until its end is known, or the client has had enough."""
        known = False
        for _ in range(4):
            attempts = [self._send(move)]
            if move.keyed and self.chance.random() < self.doubles:
                attempts.append(self._send(move))
            if move.keyed and self.chance.random() < 0.05:
                other = Move(move.event_id, Reserve(4, None), move.key, True, move.caller)
                attempts.append(self._send(other))
            if self.chance.random() < 0.12:
                self.loop.call_later(self.chance.uniform(0.0, 0.02), attempts[0].cancel)
            # One that was cancelled before its first step was never sent.
            sent = await asyncio.gather(*attempts, return_exceptions=True)
            ends = [attempt.end for attempt in sent if isinstance(attempt, Attempt)]
            if not move.keyed:
                return
            known = End.OK in ends or End.REFUSED in ends
            if known and self.chance.random() > self.insists:
                return
            await asyncio.sleep(self.chance.choice((0.0, 0.01, 1.0, 4.0)))

    def _send(self, move: Move) -> "asyncio.Task[Attempt]":
        worker = self.workers[self._home(move.event_id)]
        task = asyncio.create_task(self._attempt(worker, move))
        worker.waiting.add(task)
        task.add_done_callback(worker.waiting.discard)
        return task

    def _home(self, event_id: str) -> int:
        home = self.events.index(event_id) % 2
        return 1 - home if self.chance.random() < self.astray else home

    async def _attempt(self, worker: Worker, move: Move) -> Attempt:
        now_s = self.loop.time()
        key = (move.event_id, move.caller, move.key)
        attempt = Attempt(*key, move.keyed, move.command, worker.name, now_s)
        self.checker.sent(attempt)
        wait_s = self.chance.choice((2.0, 2.0, 2.0, 0.002))
        origin = Origin(move.caller, "request")
        request = Request(move.command, move.key, move.keyed, origin, now_s + wait_s)
        try:
            answer = await worker.registry.ask(move.event_id, request)
        except asyncio.CancelledError:
            self.checker.hung_up(attempt)
        except Fault as fault:
            self.checker.failed(attempt, fault)
        else:
            self.checker.answered(attempt, answer)
            if isinstance(answer, Done):
                self.saw(move.event_id, answer.version)
        return attempt

    async def _read(self, event_id: str) -> EventState | None:
        worker = self.workers[self._home(event_id)]
        sent_s = self.loop.time()
        reading = asyncio.create_task(worker.registry.read(event_id))
        await asyncio.wait((reading,), timeout=10.0)
        if not reading.done():
            reading.cancel()
            if worker in self.workers:
                self.checker.violations.append(f"a read at {worker.name} was never answered")
            return None
        if reading.exception() is not None:
            return None
        state = reading.result()
        self.checker.was_read(worker.name, event_id, sent_s, state)
        return state

    async def _admin(self) -> None:
        for number in range(self._upto(5)):
            await asyncio.sleep(self.chance.choice((0.01, 0.5, 3.0)))
            event_id = self.chance.choice(self.events)
            state = await self._read(event_id)
            if state is not None:
                command = self._change(state)
                await self._send(Move(event_id, command, f"admin-{number}", False))

    def _change(self, state: EventState) -> Command:
        version = state.version
        drawn = self.chance.random()
        if drawn < 0.05:
            return Cancel(ADMIN, True, version)
        if self.blocks.edits():
            kept = {"holdbacks": self.blocks.kept(state.total_capacity)}
            return Update(ADMIN, True, version, kept, VENUE_CAPACITY)
        if self.windows and self.window_chance.random() < 0.5:
            moved: dict[str, Any] = self.window_chance.choice(
                (
                    {"paused": not state.details.paused},
                    {"sales_start": self._moment((None, 1.0, 5.0))},
                    {"sales_end": self._moment((None, 8.0, 30.0))},
                )
            )
            older = max(1, version - self.window_chance.choice((0, 1, 3)))
            return Update(ADMIN, True, older, moved, VENUE_CAPACITY, retry=True)
        changes = self.chance.choice(
            (
                {"description": f"version {version}"},
                {"base_price": Decimal(self.chance.randrange(100))},
                {"total_capacity": self.chance.choice((2, 10, 30))},
                {"status": "published"},
            )
        )
        return Update(ADMIN, True, version, changes, VENUE_CAPACITY)

    def _moment(self, choices: Sequence[float | None]) -> datetime | None:
        """So many seconds after now, or none."""
        after_s = self.window_chance.choice(choices)
        return None if after_s is None else self.database.now() + timedelta(seconds=after_s)

    async def _venue_owner(self) -> None:
        """Makes the venue smaller, once in a while, behind everybody's back."""
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.uniform(0.0, 5.0))
            self.database.venues[VENUE] = 9

    def _upto(self, most: int) -> int:
        return self.chance.randint(1, most)


async def _bury(worker: Worker) -> None:
    """End what a dead worker has left waiting for ever."""
    registry = worker.registry
    committer, resolver = registry._committer, registry._resolver
    its = (
        registry._sweeper,
        registry._ticker,
        committer._task,
        committer._probe,
        committer._reads.ahead._task,
        registry._reader._task,
    )
    tasks = [task for task in (*its, *resolver._tasks) if task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def live(seed: int) -> Checker:
    """Run one seed on the loop that is running."""
    return await World(seed).run()
