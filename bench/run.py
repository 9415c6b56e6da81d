"""Runs the stages one after the other, each with its own database and service.

Rule: within a stage the rounds run all rows in turn, so that what is compared was measured within
seconds of each other; at the end every event is compared with its ledger.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import checks
from bench.ceiling import Ceiling
from bench.database import HELD, HOT, LIMIT, LIMIT_EVENTS, BenchDatabase, event_id
from bench.fairness import fairness
from bench.machine import commit, load_now, machine
from bench.overload import overload
from bench.results import (
    ActiveMemory,
    Bookings,
    Checked,
    Fairness,
    Figure,
    Overload,
    Results,
    Sample,
    Storm,
    UncachedList,
)
from bench.rows import (
    BARE_LIST,
    BARE_MOVED,
    BARE_SMALL,
    HOLD_S,
    HOLDS,
    LIST,
    STAGES,
    Row,
    Scene,
    Stage,
)
from bench.service import Service
from bench.storm import storm

# Enough for 10 000 events to be read and moved once.
WARM_S = 2

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Profile:
    """How much is measured: `quick` omits rows that no goal needs."""

    name: str
    seconds: int
    rounds: int
    quick: bool = False

    def stages(self) -> list[Stage]:
        """The stages of this profile."""
        return [stage for stage in STAGES if stage.quick or not self.quick]

    def rows(self, stage: Stage) -> list[Row]:
        """The rows of a stage."""
        return [row for row in stage.rows if row.quick or not self.quick]


class Run:
    """One run of a profile; `say` reports the progress."""

    def __init__(self, profile: Profile, folder: Path, workers: int, say: Say) -> None:
        self._profile = profile
        self._folder = folder
        self._workers = workers
        self._say = say
        self._figures: list[Figure] = []
        self._lists: list[UncachedList] = []
        self._memory: list[ActiveMemory] = []
        self._bookings: Bookings | None = None
        self._overload: tuple[Overload, ...] = ()
        self._storm: Storm | None = None
        self._fairness: tuple[Fairness, ...] = ()
        self._checked: list[Checked] = []

    def results(self) -> Results:
        """Measure everything. Raises the error that prevents it."""
        profile, started_s = self._profile, time.monotonic()
        at, load_before = datetime.now(UTC), load_now()
        with BenchDatabase(self._folder) as database:
            where = machine(database, self._folder, self._workers, load_before)
            for stage in profile.stages():
                self._stage(database, stage)
        return Results(
            at=f"{at:%Y-%m-%d %H:%M} UTC",
            commit=commit(),
            profile=profile.name,
            seconds=profile.seconds,
            rounds=profile.rounds,
            took_s=time.monotonic() - started_s,
            machine=where,
            figures=tuple(self._figures),
            lists=tuple(self._lists),
            memory=tuple(self._memory),
            bookings=self._bookings,
            overload=self._overload,
            checked=tuple(self._checked),
            storm=self._storm,
            fairness=self._fairness,
        )

    def _stage(self, database: BenchDatabase, stage: Stage) -> None:
        rows = self._profile.rows(stage)
        name = f"events_{stage.events}"
        self._say(f"{stage.events} events: filling the database")
        dsn = database.make(name, stage.events)
        limited = any(row.side == "database" for row in rows)
        if limited:
            database.make(LIMIT, LIMIT_EVENTS)
        if any(row.key == "confirm-read" for row in rows):
            database.add_holds(name, HELD, holds=HOLDS, seats=1, due_s=HOLD_S)
        with (
            Service(dsn, self._workers, self._folder) as ours,
            Ceiling(self._workers, _bodies(ours), self._folder) as bare,
        ):
            scene = Scene(database, bare, ours, self._folder)
            self._grow(scene, stage)
            self._rounds(scene, stage.events, rows)
            self._lists.append(checks.uncached_list(scene, stage.events))
            if stage.bookings:
                self._say(f"{stage.events} events: {checks.CLIENTS} clients at once")
                self._bookings = checks.bookings(database, name, ours, stage.events + 1)
        self._say(f"{stage.events} events: comparing every event with its ledger")
        found = database.verify(name)
        self._checked.append(Checked(found.events, found.versions, found.differing))
        for done in (name, LIMIT) if limited else (name,):
            database.drop(done)
        if stage.bookings:
            self._say("one event under overload")
            self._overload = overload(database, self._workers, self._folder)
            self._say("one event whose holds expire at once")
            self._storm = storm(database, self._workers, self._folder)
            self._say("single moves of one event beside requests for many")
            self._fairness = fairness(database, self._workers, self._folder)

    def _grow(self, scene: Scene, stage: Stage) -> None:
        """Measure memory first: after the start, nothing else has made the service grow."""
        idle = None
        for active in stage.active:
            self._say(f"{stage.events} events: memory of {active} active events")
            found, idle = checks.memory(scene, active, idle)
            self._memory.append(found)

    def _rounds(self, scene: Scene, events: int, rows: list[Row]) -> None:
        runs: list[list[Sample]] = [[] for _ in rows]
        for row in rows:
            if row.cold:
                row.measure(scene, row.connections, WARM_S)
        for turn in range(self._profile.rounds):
            for row, samples in zip(rows, runs, strict=True):
                sample = row.measure(scene, row.connections, self._profile.seconds)
                samples.append(sample)
                self._say(
                    f"{events} events, round {turn + 1} of {self._profile.rounds}: {row.title}, "
                    f"{row.connections} connections: {sample.per_second:.0f}/s, "
                    f"p99 {sample.p99_ms:.1f} ms, {sample.errors} errors"
                )
        self._figures += [
            Figure(row.key, row.title, row.side, row.connections, events, tuple(samples))
            for row, samples in zip(rows, runs, strict=True)
        ]


def _bodies(ours: Service) -> dict[str, bytes]:
    """The bodies of the service's answers, for the bare server."""
    hot = event_id(HOT)
    return {
        BARE_SMALL: ours.get(f"/api/v1/events/{hot}/availability"),
        BARE_LIST: ours.get(LIST),
        BARE_MOVED: ours.post(
            f"/internal/events/{hot}/update-availability", b'{"quantity":-1,"version":"*"}'
        ),
    }
