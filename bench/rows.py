"""The rows that are measured, and the databases that they are measured on.

Rule: rows that are compared are in the same stage, and every round of it runs all its rows in turn,
so that a slow moment of the machine affects both sides of a comparison.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bench.ceiling import Ceiling
from bench.database import HELD, HOT, LIMIT_EVENTS, SEATS_OUT, BenchDatabase, event_id, hold_id
from bench.failures import LoadFailed
from bench.load import KEY, VERSION, Body, Mode, Played, get, keys_of, new_tag, play, post
from bench.processes import cpu_s, forget_peak, peak_mb
from bench.results import Sample, Side
from bench.service import CALLER, Service
from evently.domain.holds import hold_id_of
from routes.auth.internal_keys import SERVICE_PREFIX

LIST = "/api/v1/events?page=1&limit=20"
# The paths of the bare server, which has the bodies of the service's answers.
BARE_SMALL, BARE_MOVED, BARE_LIST = "/small", "/moved", "/list"
# The requests of each kind among ten of the mix; the tenth is a move.
MIX = {"availability": 5, "detail": 2, "list": 2, "reserve": 1}
# Long enough that no order of the kinds repeats within a second.
MIX_REQUESTS = 10_000
CONNECTIONS = 64
# The events that moves are spread over.
SPREAD = 1000
# The moves of a request for many, and the connections that send such requests: as many moves are
# under way as with 1600 connections.
MANY, MANY_CONNECTIONS = 100, 16
# Holds that another has placed, to be confirmed, for so long; and how many a second are confirmed
# at most, and for how long: the service remembers some 65 000 of those that it has placed.
HOLDS, HOLD_S = 300_000, 7200.0
CONFIRMS_MAX, CONFIRMING_S_MAX = 20_000, 3


@dataclass(frozen=True, slots=True)
class Scene:
    """The servers and the database of a stage."""

    database: BenchDatabase
    bare: Ceiling
    ours: Service
    folder: Path


Measure: TypeAlias = Callable[[Scene, int, int], Sample]
Write: TypeAlias = Callable[[Scene], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `measure` takes the scene, the connections and the seconds.

    `cold` means that the first run creates what later runs find: it runs once without counting.
    """

    key: str
    title: str
    side: Side
    measure: Measure
    connections: int = CONNECTIONS
    quick: bool = False
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A database with so many events, and what is measured on it.

    `active` has the numbers of events whose memory is measured, `bookings` adds the check that
    nothing is oversold.
    """

    events: int
    rows: tuple[Row, ...]
    active: tuple[int, ...] = ()
    bookings: bool = False
    quick: bool = False


# What is sent


def reserve(ours: Service, number: int, version: int | str = "*", **more: str) -> str:
    """A booking of one seat."""
    path = f"/internal/events/{event_id(number)}/update-availability"
    return post(path, {"quantity": -1, "version": version, **more}, _headers(ours))


def reserve_many(ours: Service, numbers: Sequence[int]) -> str:
    """A booking of one seat of each of these events, which may repeat, in one request."""
    moves: list[Body] = [
        {
            "event_id": event_id(number),
            "quantity": -1,
            "version": "*",
            "idempotency_key": f"{KEY}-{place}",
        }
        for place, number in enumerate(numbers)
    ]
    return post("/internal/moves", {"moves": moves}, (f"X-API-Key: {ours.key}",))


def _headers(ours: Service) -> tuple[str, ...]:
    return (f"X-API-Key: {ours.key}", f"Idempotency-Key: {KEY}")


def _hot(scene: Scene) -> Sequence[str]:
    return [reserve(scene.ours, HOT)]


def _retry(scene: Scene) -> Sequence[str]:
    # The version at which the event was published: a client that read it long ago.
    return [reserve(scene.ours, HOT, 2, on_conflict="retry")]


def _strict(scene: Scene) -> Sequence[str]:
    return [reserve(scene.ours, HOT, VERSION)]


def _return(scene: Scene) -> Sequence[str]:
    path = f"/internal/events/{event_id(SEATS_OUT)}/return-seats"
    return [post(path, {"quantity": 1, "version": "*"}, _headers(scene.ours))]


def _hold(scene: Scene) -> Sequence[str]:
    path = f"/internal/events/{event_id(HOT)}/holds"
    return [post(path, {"quantity": 1, "duration_s": 7200}, _headers(scene.ours))]


def _confirm(scene: Scene, number: int, hold: str) -> str:
    path = f"/internal/events/{event_id(number)}/holds/{hold}/confirm"
    return post(path, {}, _headers(scene.ours))


def _spread(events: int) -> Write:
    return lambda scene: [reserve(scene.ours, number) for number in range(1, events + 1)]


def _many_hot(scene: Scene) -> Sequence[str]:
    return [reserve_many(scene.ours, [HOT] * MANY)]


def _many_spread(scene: Scene) -> Sequence[str]:
    return [
        reserve_many(scene.ours, range(first, first + MANY)) for first in range(1, SPREAD + 1, MANY)
    ]


def _availability(events: int = 1) -> Write:
    return lambda scene: [_availability_of(number) for number in range(1, events + 1)]


def _availability_of(number: int) -> str:
    return get(f"/api/v1/events/{event_id(number)}/availability")


def internal(scene: Scene, number: int) -> str:
    """A read by the booking service."""
    return get(f"/internal/events/{event_id(number)}", (f"X-API-Key: {scene.ours.key}",))


def _mix(events: int) -> Write:
    def write(scene: Scene) -> Sequence[str]:
        chance = random.Random(events)  # noqa: S311 - the same mix every time
        kinds = chance.choices(list(MIX), list(MIX.values()), k=MIX_REQUESTS)
        return [_one(scene, kind, chance.randint(1, events)) for kind in kinds]

    return write


def _one(scene: Scene, kind: str, number: int) -> str:
    match kind:
        case "availability":
            return _availability_of(number)
        case "detail":
            return get(f"/api/v1/events/{event_id(number)}")
        case "list":
            return get(LIST)
        case _:
            return reserve(scene.ours, number)


# How it is measured


def _ours(write: Write, mode: Mode = "flat out", moves: int = 1) -> Measure:
    """Requests of so many `moves` count as so many requests, in all but latencies and errors."""

    def measure(scene: Scene, connections: int, seconds: int) -> Sample:
        ours, requests = scene.ours, write(scene)
        forget_peak(ours.pid)
        before = ours.counts()
        ours_s, postgres_s = cpu_s(ours.pid), scene.database.cpu_s()
        played = play(
            ours.port,
            requests,
            scene.folder,
            connections=connections,
            seconds=seconds,
            mode=mode,
        )
        ours_s, postgres_s = cpu_s(ours.pid) - ours_s, scene.database.cpu_s() - postgres_s
        counts = ours.counts() - before
        commit_p99_s = counts.quantile("evently_commit_seconds", 0.99)
        return _sample(
            played,
            ours_s,
            moves,
            postgres_us=postgres_s / max(played.requests * moves, 1) * 1e6,
            batch=counts.mean("evently_commit_moves"),
            commit_p99_ms=None if commit_p99_s is None else commit_p99_s * 1000,
            peak_mb=peak_mb(ours.pid),
            retried=counts.value("evently_version_conflicts_total", "retried"),
            rejected=counts.value("evently_version_conflicts_total", "rejected"),
        )

    return measure


def _confirms_of_others() -> Measure:
    """Holds that the service has to read first: every run takes the next of them."""
    numbers = itertools.count(1)

    def write(scene: Scene, most: int) -> Sequence[str]:
        return [_confirm(scene, HELD, hold_id(one)) for one in itertools.islice(numbers, most)]

    return _each_once(write)


def _confirms() -> Measure:
    """Holds that the service has placed just before: every run confirms its own."""

    def write(scene: Scene, most: int) -> Sequence[str]:
        keys: list[str] = []
        while len(keys) < most:
            tag = new_tag()
            placed = play(
                *(scene.ours.port, _hold(scene), scene.folder),
                connections=CONNECTIONS,
                seconds=1,
                tag=tag,
            )
            # The last ones may have been on their way when the time was over.
            keys += keys_of(tag, placed.requests - 4 * CONNECTIONS)
        event, caller = event_id(HOT), f"{SERVICE_PREFIX}{CALLER}"
        return [_confirm(scene, HOT, hold_id_of(event, caller, key)) for key in keys[:most]]

    return _each_once(write)


def _each_once(write: Callable[[Scene, int], Sequence[str]]) -> Measure:
    """Each of the requests that `write` gives, of which no more than a number are needed."""

    def measure(scene: Scene, connections: int, seconds: int) -> Sample:
        seconds = min(seconds, CONFIRMING_S_MAX)
        most = seconds * CONFIRMS_MAX
        requests = write(scene, most)
        sample = _ours(lambda _: requests)(scene, connections, seconds)
        if sample.asked > most:
            raise LoadFailed(f"{sample.asked} confirms of {most} holds: some were confirmed twice")
        return sample

    return measure


def _bare(request: str) -> Measure:
    def measure(scene: Scene, connections: int, seconds: int) -> Sample:
        bare = scene.bare
        for pid in bare.pids:
            forget_peak(pid)
        before_s = sum(map(cpu_s, bare.pids))
        played = play(bare.port, [request], scene.folder, connections=connections, seconds=seconds)
        used_s = sum(map(cpu_s, bare.pids)) - before_s
        return _sample(played, used_s, peak_mb=sum(map(peak_mb, bare.pids)))

    return measure


def _sample(played: Played, used_s: float, moves: int = 1, **more: float | None) -> Sample:
    known = {name: value for name, value in more.items() if value is not None}
    return Sample(
        per_second=played.good_per_second * moves,
        asked=played.requests * moves,
        p50_ms=played.p50_us / 1000,
        p99_ms=played.p99_us / 1000,
        p999_ms=played.p999_us / 1000,
        conflicts=played.conflicts,
        errors=played.errors,
        cpu_us=used_s / max(played.requests * moves, 1) * 1e6,
        **known,
    )


def _pgbench(events: int) -> Measure:
    def measure(scene: Scene, connections: int, seconds: int) -> Sample:
        done = scene.database.take_seats(connections, events, seconds)
        return Sample(
            per_second=done.per_second,
            asked=done.done,
            p50_ms=done.p50_ms,
            p99_ms=done.p99_ms,
            p999_ms=done.p999_ms,
            postgres_us=done.cpu_us,
        )

    return measure


# The rows

_BARE_POST = post(BARE_MOVED, {"quantity": -1, "version": "*"}, (f"Idempotency-Key: {KEY}",))
_HOT = "reserve, one event, any version"
_SPREAD = f"reserve, {SPREAD} events, any version"
_AVAILABILITY = "availability"

GROWTH = (
    Row("hot", _HOT, "ours", _ours(_hot)),
    Row("list", "list, 20 events", "ours", _ours(lambda scene: [get(LIST)]), quick=True),
)

LISTED = (
    Row("bare-list", "bare GET, a list's bytes", "bare", _bare(get(BARE_LIST)), quick=True),
    *GROWTH[1:],
)

MAIN = (
    Row("bare-get", "bare GET, small", "bare", _bare(get(BARE_SMALL)), quick=True),
    Row("availability", _AVAILABILITY, "ours", _ours(_availability()), quick=True),
    Row(
        "internal",
        "internal GET",
        "ours",
        _ours(lambda scene: [internal(scene, HOT)]),
        quick=True,
    ),
    Row(
        "detail",
        "detail",
        "ours",
        _ours(lambda scene: [get(f"/api/v1/events/{event_id(HOT)}")]),
    ),
    *GROWTH[1:],
    Row("bare-post", "bare POST, small", "bare", _bare(_BARE_POST), quick=True),
    Row("hot", _HOT, "ours", _ours(_hot), quick=True),
    Row("spread", _SPREAD, "ours", _ours(_spread(SPREAD)), quick=True, cold=True),
    Row(
        "many-hot",
        f"reserve, one event, {MANY} in a request",
        "ours",
        _ours(_many_hot, "many", MANY),
        MANY_CONNECTIONS,
        quick=True,
    ),
    Row(
        "many-spread",
        f"reserve, {SPREAD} events, {MANY} in a request",
        "ours",
        _ours(_many_spread, "many", MANY),
        MANY_CONNECTIONS,
        quick=True,
    ),
    Row("pg-hot", "pgbench, one row", "database", _pgbench(1), quick=True),
    Row("pg-hot", "pgbench, one row", "database", _pgbench(1), 8),
    Row("pg-spread", "pgbench, 1000 rows", "database", _pgbench(LIMIT_EVENTS)),
    Row("pg-spread", "pgbench, 1000 rows", "database", _pgbench(LIMIT_EVENTS), 8),
    Row("retry", "reserve, one event, stale version, retry", "ours", _ours(_retry), quick=True),
    Row("strict", "reserve, one event, strict", "ours", _ours(_strict, "tracking")),
    Row("return", "return, one event", "ours", _ours(_return)),
    Row("hold", "hold, one event", "ours", _ours(_hold), quick=True),
    Row("confirm", "confirm, one event", "ours", _confirms(), quick=True),
    Row(
        "confirm-read",
        "confirm, one event, of holds of others",
        "ours",
        _confirms_of_others(),
        quick=True,
    ),
    Row("mix", f"90% reads, 10% moves, {SPREAD} events", "ours", _ours(_mix(SPREAD))),
    Row("paced", "reserve, one event, about 600 a second", "ours", _ours(_hot, "paced")),
    Row("availability", _AVAILABILITY, "ours", _ours(_availability()), 256),
    Row("hot", _HOT, "ours", _ours(_hot), 256, quick=True),
    Row("spread", _SPREAD, "ours", _ours(_spread(SPREAD)), 256),
    Row("availability", _AVAILABILITY, "ours", _ours(_availability()), 1000),
    Row("hot", _HOT, "ours", _ours(_hot), 1000, quick=True),
    Row("spread", _SPREAD, "ours", _ours(_spread(SPREAD)), 1000),
)


def _active(events: int) -> tuple[Row, ...]:
    shown = f"{events} active event{'s' if events > 1 else ''}"
    return (
        Row(
            f"reserve-active-{events}",
            f"reserve, {shown}",
            "ours",
            _ours(_spread(events)),
            cold=True,
        ),
        Row(
            f"read-active-{events}", f"availability, {shown}", "ours", _ours(_availability(events))
        ),
    )


ACTIVE = (1, 1000, 10_000)

STAGES = (
    Stage(10, GROWTH),
    Stage(200, (*LISTED, *GROWTH[:1]), quick=True),
    Stage(1000, MAIN, bookings=True, quick=True),
    Stage(10_000, GROWTH),
    Stage(
        100_000,
        (*GROWTH, *(row for events in ACTIVE for row in _active(events))),
        active=(1000, 10_000),
        quick=True,
    ),
)
