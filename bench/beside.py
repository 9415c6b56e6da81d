"""The command `python -m bench.beside`: what hot sales have left beside all sorts of crowds.

Rules:

1. Every round sells beside each crowd in turn, and beside none, so that a slow moment of the
   machine strikes all of them.
2. What a crowd takes from sales is compared with what as many clients of a cached list take: those
   cost processor time, and hold up nothing.
"""

import asyncio
import secrets
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import click

from bench.database import HOT, BenchDatabase, event_id
from bench.failures import NotReady
from bench.load import Body, get, play, post
from bench.machine import load_now, prepare
from bench.processes import forget_peak, peak_mb
from bench.replica import Replica
from bench.rows import LIST, reserve
from bench.service import Service
from evently_client import AdminClient, Unavailable

ROOT = Path(__file__).resolve().parents[1]
EVENTS, ANALYTICS = 50_000, 3
VERSIONS, REPORT_TRIES = 2_000_000, 20
SELLERS, SECONDS, ROUNDS = 32, 4, 3
# A crowd begins earlier and ends later, by so much together.
LONGER_S = 1
# As many random pages as nobody keeps in a cache.
PAGES, PAGE = 5000, 10
# What a client that never ends its head sends, line by line, and how often.
HEAD, LINE, LINE_EVERY_S = (
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"X-Filler: " + 8000 * b"x" + b"\r\n",
    0.1,
)
# More than the kernel takes for a connection that nobody reads from.
LARGE = 5 * b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
# Until lists come from the replica, and between two of them that are asked for.
CAUGHT_UP_S, ASK_EVERY_S = 60.0, 0.05
_DATABASE = "beside"


@dataclass(frozen=True, slots=True)
class Scene:
    """The service, its database filled, and an admin who may see and change everything."""

    ours: Service
    folder: Path
    token: str
    venue_id: str
    draft_id: str
    replica: Replica | None


Run: TypeAlias = Callable[[Scene, int], float]
Ready: TypeAlias = Callable[[Scene], None]


def _at_once(scene: Scene) -> None:
    """Nothing has to be waited for."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who comes beside; `run` lasts so many seconds and returns what it got done each second.

    `ready` waits for what it needs. One with a `replica` is measured on a service with one; one
    that asks for `reports` needs an event with a long ledger.
    """

    title: str
    run: Run
    ready: Ready = _at_once
    replica: bool = False
    reports: bool = False


@dataclass(slots=True)
class Found:
    """What was measured beside a crowd, for each round."""

    sold: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    refused: int = 0
    crowd: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def _requests(requests: Callable[[Scene], Sequence[str]], connections: int) -> Run:
    """A crowd that sends these, each client as fast as it is answered."""

    def run(scene: Scene, seconds: int) -> float:
        folder = scene.folder / "crowd"
        folder.mkdir(exist_ok=True)
        played = play(
            scene.ours.port, requests(scene), folder, connections=connections, seconds=seconds
        )
        return played.good_per_second

    return run


def _cached_list(scene: Scene) -> Sequence[str]:
    return [get(LIST)]


def _deep_pages(scene: Scene) -> Sequence[str]:
    pages = [1 + secrets.randbelow(EVENTS // PAGE) for _ in range(PAGES)]
    return [get(f"/api/v1/events?page={page}&limit={PAGE}") for page in pages]


def _analytics(scene: Scene) -> Sequence[str]:
    path = f"/api/v1/admin/events/{event_id(ANALYTICS)}/analytics"
    return [get(path, _as_admin(scene))]


def _own_changes(scene: Scene) -> Sequence[str]:
    venue: Body = {"name": "The Small Hall", "capacity": 300}
    event: Body = {"version": 1, "on_conflict": "retry", "base_price": 20}
    return [
        _put(post(f"/api/v1/admin/venues/{scene.venue_id}", venue, _as_admin(scene))),
        _put(post(f"/api/v1/admin/events/{scene.draft_id}", event, _as_admin(scene))),
    ]


def _put(request: str) -> str:
    return request.replace("POST", "PUT", 1)


def _as_admin(scene: Scene) -> tuple[str, ...]:
    return (f"Authorization: Bearer {scene.token}",)


def _scrapes(scene: Scene) -> Sequence[str]:
    return [get("/metrics")]


def _endless_heads(clients: int) -> Run:
    def run(scene: Scene, seconds: int) -> float:
        return asyncio.run(_send_lines(scene.ours.port, clients, seconds)) / seconds

    return run


async def _send_lines(port: int, clients: int, seconds: int) -> int:
    """Begin heads that never end, again and again; how many lines were sent."""
    until_s = time.monotonic() + seconds
    sent = 0

    async def client() -> None:
        nonlocal sent
        while time.monotonic() < until_s:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                with suppress(OSError):
                    writer.write(HEAD)
                    while time.monotonic() < until_s and not writer.is_closing():
                        writer.write(LINE)
                        await writer.drain()
                        sent += 1
                        await asyncio.sleep(LINE_EVERY_S)
                writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return sent


def _never_read(clients: int) -> Run:
    def run(scene: Scene, seconds: int) -> float:
        until_s = time.monotonic() + seconds
        with ExitStack() as stack:
            for _ in range(clients):
                one = stack.enter_context(socket.socket())
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                one.connect(("127.0.0.1", scene.ours.port))
                one.sendall(LARGE)
            time.sleep(max(0.0, until_s - time.monotonic()))
        return clients / seconds

    return run


def _while_the_replica_hangs(beside: Run) -> Run:
    def run(scene: Scene, seconds: int) -> float:
        assert scene.replica is not None, "such a crowd is measured with a replica"
        with scene.replica.hanging():
            return beside(scene, seconds)

    return run


def _lists_come_from_the_replica(scene: Scene) -> None:
    until_s = time.monotonic() + CAUGHT_UP_S
    while scene.ours.counts().value("evently_replica_read") != 1:
        if time.monotonic() > until_s:
            raise NotReady("no list comes from the replica")
        # What is asked for anew, so that no cache has it.
        page = 1 + secrets.randbelow(EVENTS // PAGE)
        scene.ours.get(f"/api/v1/events?page={page}&limit={PAGE}")
        time.sleep(ASK_EVERY_S)


def _nobody(scene: Scene, seconds: int) -> float:
    return 0.0


CROWDS = (
    Crowd("nobody", _nobody),
    Crowd("200 readers of a cached list", _requests(_cached_list, 200)),
    Crowd("200 readers of random deep pages", _requests(_deep_pages, 200)),
    Crowd("20 readers of a cached list", _requests(_cached_list, 20)),
    Crowd("20 tabs with analytics of 2 M versions", _requests(_analytics, 20), reports=True),
    Crowd("8 readers of a cached list", _requests(_cached_list, 8)),
    Crowd("8 writers of their own venue and draft", _requests(_own_changes, 8)),
    Crowd("50 readers of a cached list", _requests(_cached_list, 50)),
    Crowd("50 who scrape /metrics", _requests(_scrapes, 50)),
    Crowd("300 who never end a head", _endless_heads(300)),
    Crowd("1000 who never read", _never_read(1000)),
    Crowd(
        "20 readers of random deep pages, from a replica",
        _requests(_deep_pages, 20),
        _lists_come_from_the_replica,
        replica=True,
    ),
    Crowd(
        "20 readers of random deep pages, the replica hangs",
        _while_the_replica_hangs(_requests(_deep_pages, 20)),
        _lists_come_from_the_replica,
        replica=True,
    ),
)


def measure(scene: Scene, crowds: Sequence[Crowd], say: Callable[[str], None]) -> dict[str, Found]:
    """Sell beside each crowd, in ROUNDS rounds."""
    found = {crowd.title: Found() for crowd in crowds}
    for turn in range(ROUNDS):
        for crowd in crowds:
            _sell_beside(scene, crowd, found[crowd.title])
            last = found[crowd.title]
            say(
                f"round {turn + 1} of {ROUNDS}, {crowd.title}: {last.sold[-1]:.0f}/s, "
                f"p99 {last.p99_ms[-1]:.1f} ms"
            )
    return found


def _sell_beside(scene: Scene, crowd: Crowd, found: Found) -> None:
    crowd.ready(scene)
    forget_peak(scene.ours.pid)
    before_mb = peak_mb(scene.ours.pid)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(crowd.run, scene, SECONDS + LONGER_S)
        time.sleep(LONGER_S / 2)
        sales = play(
            scene.ours.port,
            [reserve(scene.ours, HOT)],
            scene.folder,
            connections=SELLERS,
            seconds=SECONDS,
        )
        found.crowd.append(beside.result())
    found.sold.append(sales.good_per_second)
    found.p99_ms.append(sales.p99_us / 1000)
    found.refused += sales.errors
    found.memory_mb.append(peak_mb(scene.ours.pid) - before_mb)


def table(found: dict[str, Found]) -> str:
    """The medians of the rounds, and all that was refused."""
    lines = [
        "| beside | moves a second | p99 | refused | its requests a second | memory |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for title, one in found.items():
        lines.append(
            f"| {title} | {statistics.median(one.sold):.0f}"
            f" | {statistics.median(one.p99_ms):.1f} ms | {one.refused}"
            f" | {statistics.median(one.crowd):.0f} | +{max(one.memory_mb):.0f} MB |"
        )
    return "\n".join(lines)


def _on_a_service(
    database: BenchDatabase,
    dsn: str,
    folder: Path,
    crowds: Sequence[Crowd],
    say: Callable[[str], None],
) -> dict[str, Found]:
    """Measure on a service of their own, with a replica if they want one."""
    replica, read_dsn = None, None
    with ExitStack() as stack:
        if crowds[0].replica:
            say("copying the database")
            replica = stack.enter_context(Replica(database, folder / "replica"))
            read_dsn = replica.dsn(_DATABASE)
        ours = stack.enter_context(Service(dsn, 1, folder, read_dsn))
        token, venue_id, draft_id = asyncio.run(_admin(ours, database))
        return measure(Scene(ours, folder, token, venue_id, draft_id, replica), crowds, say)


async def _admin(ours: Service, database: BenchDatabase) -> tuple[str, str, str]:
    """The access token of a new super_admin, and the ids of a venue and a draft of theirs."""
    email, password = f"bench-{secrets.token_hex(4)}@example.org", secrets.token_urlsafe(16)
    start = datetime.now(UTC) + timedelta(days=30)
    async with AdminClient(f"http://127.0.0.1:{ours.port}") as admin:
        await admin.register(email, password, "Bench")
        database.make_super_admins(_DATABASE)
        await admin.log_in(email, password)
        venue = await admin.create_venue(
            name="The Small Hall", address="1 Main Street", city="Lyon", country="FR", capacity=300
        )
        draft = await admin.create_event(
            name="A Draft",
            venue_id=venue.venue_id,
            event_type="concert",
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            total_capacity=100,
            base_price=10,
        )
        # The first report on so many versions brings their sums up to date, in several tries.
        for _ in range(REPORT_TRIES):
            with suppress(Unavailable):
                await admin.get_analytics(event_id(ANALYTICS))
                break
        assert admin.tokens is not None, "they are logged in"
        return admin.tokens.access_token, venue.venue_id, draft.event_id


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", multiple=True, help="The crowds whose titles contain this, or another one.")
def main(only: Sequence[str]) -> None:
    """Sell one event beside crowds that read, scrape, hang and change; print what is left.

    Takes about seven minutes: of these a minute to fill a temporary database.
    """
    crowds = [one for one in CROWDS if not only or any(word in one.title for word in only)]
    prepare()
    started_s = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - started_s:5.0f} s  {text}", err=True)

    (ROOT / "build").mkdir(exist_ok=True)
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        folder = Path(name)
        folder.chmod(0o711)
        found: dict[str, Found] = {}
        with BenchDatabase(folder / "database") as database:
            say("filling the database")
            dsn = database.make(_DATABASE, EVENTS)
            if any(crowd.reports for crowd in crowds):
                database.add_versions(_DATABASE, ANALYTICS, VERSIONS)
            for replicated in (False, True):
                some = [crowd for crowd in crowds if crowd.replica is replicated]
                if some:
                    found |= _on_a_service(database, dsn, folder, some, say)
    click.echo(f"{SELLERS} sellers, medians of {ROUNDS} rounds, load {load_now():.1f} a processor")
    click.echo(table(found))


if __name__ == "__main__":
    main()
