"""Workers of one node in one process: real sockets between them, one real database under them.

Each test says which worker asks, where the event lives, and what becomes of the way between.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.peers import link as peer_link
from actors.peers.forwarder import Forwarder
from actors.peers.frame_stream import FrameStream
from actors.peers.frames import AskFrame, Frame, ReadFrame, request_in
from actors.peers.link import LinkDown, LinkLost, PeerLink
from actors.peers.ring import Ring
from actors.peers.server import PeerServer
from actors.registry import Registry
from db.database import Database
from db.event_store import EventStore
from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.errors import OutcomeUnknown, Overloaded
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    Answer,
    Done,
    InsufficientSeats,
    KeyReused,
    NotFound,
    NotOwner,
    StaleVersion,
)
from evently.domain.state import Status
from tests.integration.stored_draft import store_draft

ADMIN = "22222222-2222-4222-8222-222222222222"
WORKERS = 3
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', 100000, $1)
"""


class Unobserved:
    """Nobody counts."""

    def committed(self, events: int, moves: int, seconds: float) -> None: ...

    def overtaken(self, events: int) -> None: ...

    def went_back(self) -> None: ...

    def failed(self, reason: str) -> None: ...


def ask_for(
    command: Command, key: str | None = None, *, wait_s: float = 10.0, doubtful: bool = False
) -> Request:
    deadline_s = time.monotonic() + wait_s
    return Request(
        command,
        key or uuid4().hex,
        key is not None,
        Origin("test", "request"),
        deadline_s,
        doubtful,
    )


class Worker:
    """What `app.py` makes of one worker, as far as its events go."""

    def __init__(self, cluster: "Cluster", index: int, registry: Registry) -> None:
        self.registry = registry
        self.server = PeerServer(registry, cluster.path(index))
        others = (other for other in range(WORKERS) if other != index)
        self.links = {other: PeerLink(cluster.path(other)) for other in others}
        self.forwarder = Forwarder(index, cluster.ring, registry, self.links)

    async def ask(self, event_id: str, command: Command, key: str | None = None) -> Answer:
        return await self.forwarder.ask(event_id, ask_for(command, key))

    async def stop(self) -> None:
        await self.server.stop()
        for link in self.links.values():
            link.close()

    def crash(self) -> None:
        """Be gone as a killed process is: nothing is said, every connection breaks."""
        assert self.server._server is not None
        self.server._server.close()
        for stream in list(self.server._streams):
            assert stream._transport is not None
            stream._transport.abort()


class Cluster:
    """Three workers on one database."""

    def __init__(self, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.ring = Ring(WORKERS)
        self._url = url
        self._folder = folder
        self._stack = stack
        self.workers: list[Worker] = []

    def path(self, index: int) -> Path:
        return self._folder / f"worker-{index}.sock"

    async def start(self) -> None:
        for index in range(WORKERS):
            self.workers.append(await self.worker(index))
        await self.sql(ADD_VENUE, ADMIN)

    async def worker(self, index: int, **limits: int) -> Worker:
        registry = await self.registry(**limits)
        worker = Worker(self, index, registry)
        await worker.server.start()
        self._stack.push_async_callback(worker.stop)
        return worker

    async def registry(self, **limits: int) -> Registry:
        database = await self._stack.enter_async_context(Database(self._url))
        store = EventStore(database, self._url)
        registry = Registry(store, DatabaseClock(), Unobserved(), **limits)
        registry.start()
        self._stack.push_async_callback(registry.stop)
        return registry

    async def sql(self, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """The event's versions from the first sale on, after a check that none is missing."""
        rows = await self.sql(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )
        assert [row["version"] for row in rows] == list(range(1, len(rows) + 1))
        return rows[2:]

    async def refusals(self, event_id: str) -> list[asyncpg.Record]:
        """The final refusals that are kept."""
        return await self.sql("SELECT * FROM event_refusals WHERE event_id = $1", event_id)

    async def event(self, owner: int, seats: int = 100) -> str:
        """A published event that lives in the worker `owner`, where nobody has asked for it yet."""
        event_id = next(
            found
            for found in iter(lambda: str(uuid4()), None)
            if self.ring.order(found)[0] == owner
        )
        await store_draft(self._url, event_id, ADMIN, ADMIN, seats)
        publish = Update(ADMIN, False, 1, {"status": Status.PUBLISHED}, 0)
        assert isinstance(await self.workers[owner].ask(event_id, publish), Done)
        return event_id


@pytest.fixture
async def cluster(database_url: str) -> AsyncIterator[Cluster]:
    # A Unix socket's path must be short, which pytest's own folders are not.
    with tempfile.TemporaryDirectory(prefix="evently-") as folder:
        async with AsyncExitStack() as stack:
            cluster = Cluster(database_url, Path(folder), stack)
            await cluster.start()
            yield cluster


async def until(fact: Callable[[], Awaitable[bool] | bool], within_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + within_s
    while True:
        found = fact()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < deadline_s, "the fact did not show"
        await asyncio.sleep(0.01)


# The way it should be


async def test_whoever_is_asked_the_owner_answers(cluster: Cluster) -> None:
    owner = 1
    event_id = await cluster.event(owner)
    for step, worker in enumerate(cluster.workers):
        answer = await worker.ask(event_id, Reserve(2, None))
        assert isinstance(answer, Done)
        assert (answer.version, answer.available_seats) == (3 + step, 98 - 2 * step)
    alive = [worker.registry.alive for worker in cluster.workers]
    assert alive == [0, 1, 0]
    assert [row["kind"] for row in await cluster.ledger(event_id)] == ["reserved"] * WORKERS


async def test_a_read_is_the_owners_newest_state(cluster: Cluster) -> None:
    event_id = await cluster.event(2)
    for step in range(20):
        through = cluster.workers[step % WORKERS]
        answer = await through.ask(event_id, Reserve(1, None))
        assert isinstance(answer, Done)
        for worker in cluster.workers:
            state = await worker.forwarder.read(event_id)
            assert state is not None
            assert (state.version, state.available_seats) == (answer.version, 99 - step)
            assert state.details.base_price == Decimal("10.00")
    assert [worker.registry.alive for worker in cluster.workers] == [0, 0, 1]


async def test_an_event_that_is_not_there_is_not_found_through_any_worker(
    cluster: Cluster,
) -> None:
    for worker in cluster.workers:
        assert await worker.forwarder.read(str(uuid4())) is None
        assert await worker.ask(str(uuid4()), Reserve(1, None)) == NotFound()


async def test_every_kind_of_answer_comes_back_through_the_socket(cluster: Cluster) -> None:
    event_id = await cluster.event(0, seats=5)
    ask = cluster.workers[1].ask
    assert await ask(event_id, Reserve(6, None)) == InsufficientSeats(6, 5)
    assert await ask(event_id, Reserve(1, 1)) == StaleVersion(1, 2, 5, Status.PUBLISHED)
    assert await ask(event_id, Cancel(str(uuid4()), False, 2)) == NotOwner()
    renamed = await ask(event_id, Update(ADMIN, False, 2, {"name": "Ünï"}, 0))
    assert isinstance(renamed, Done)
    assert renamed.state is not None
    assert (renamed.state.details.name, renamed.state.version) == ("Ünï", 3)
    first = await ask(event_id, Reserve(1, None), "key")
    again = await ask(event_id, Reserve(1, None), "key")
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (again.version, again.replayed) == (first.version, True)
    assert await ask(event_id, Reserve(2, None), "key") == KeyReused("key")


async def test_a_fault_comes_back_as_the_same_fault(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    await cluster.worker(0, pending_max=0)
    asking = cluster.workers[1]
    with pytest.raises(Overloaded):
        await asking.ask(event_id, Reserve(1, None))
    assert await cluster.ledger(event_id) == []


async def test_many_requests_are_under_way_on_one_connection(cluster: Cluster) -> None:
    event_id = await cluster.event(0, seats=700)
    asking = cluster.workers[1]
    answers = await asyncio.gather(
        *(asking.ask(event_id, Reserve(1, None), f"key {n}") for n in range(1000))
    )
    done = [answer.version for answer in answers if isinstance(answer, Done)]
    assert sorted(done) == list(range(3, 703))
    assert sum(isinstance(answer, InsufficientSeats) for answer in answers) == 300
    assert len(await cluster.ledger(event_id)) == 700


async def test_one_key_through_all_workers_at_once_is_one_move(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    answers = await asyncio.gather(
        *(cluster.workers[n % WORKERS].ask(event_id, Reserve(3, None), "same") for n in range(50))
    )
    assert all(isinstance(answer, Done) and answer.version == 3 for answer in answers)
    assert sum(isinstance(answer, Done) and not answer.replayed for answer in answers) == 1
    assert len(await cluster.ledger(event_id)) == 1


# The owner is away


async def test_the_next_in_the_ring_takes_an_event_whose_owner_is_gone(cluster: Cluster) -> None:
    owner = 0
    event_id = await cluster.event(owner)
    cluster.workers[owner].crash()
    _, second, third = cluster.ring.order(event_id)
    for step, index in enumerate((third, second, third, second)):
        answer = await cluster.workers[index].ask(event_id, Reserve(1, None))
        assert isinstance(answer, Done)
        assert answer.version == 3 + step
        state = await cluster.workers[index].forwarder.read(event_id)
        assert state is not None
        assert state.version == answer.version
    assert cluster.workers[second].registry.alive == 1
    # Reading through the database has made an actor here, and nobody has decided in it.
    assert len(await cluster.ledger(event_id)) == 4


async def test_the_last_in_the_ring_takes_an_event_that_nobody_else_can(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    _, second, third = cluster.ring.order(event_id)
    cluster.workers[0].crash()
    cluster.workers[second].crash()
    answer = await cluster.workers[third].ask(event_id, Reserve(1, None), "key")
    assert isinstance(answer, Done)
    assert len(await cluster.ledger(event_id)) == 1


async def test_events_go_home_when_their_owner_is_back(cluster: Cluster) -> None:
    owner = 0
    event_id = await cluster.event(owner)
    cluster.workers[owner].crash()
    asking = cluster.workers[cluster.ring.order(event_id)[2]]
    first = await asking.ask(event_id, Reserve(1, None), "while away")
    assert isinstance(first, Done)
    back = await cluster.worker(owner)

    async def at_home() -> bool:
        assert isinstance(await asking.ask(event_id, Reserve(1, None)), Done)
        return back.registry.alive == 1

    await until(at_home)
    again = await asking.ask(event_id, Reserve(1, None), "while away")
    assert isinstance(again, Done)
    assert (again.version, again.replayed) == (first.version, True)
    state = await asking.forwarder.read(event_id)
    assert state is not None
    assert state.available_seats == 100 - len(await cluster.ledger(event_id))


async def test_a_worker_that_stops_late_leaves_the_socket_of_its_successor(
    cluster: Cluster,
) -> None:
    old = cluster.workers[0]
    event_id = await cluster.event(0)
    asking = cluster.workers[1]
    assert isinstance(await asking.ask(event_id, Reserve(1, None)), Done)
    successor = await cluster.worker(0)
    await old.server.stop()

    async def reached() -> bool:
        assert isinstance(await asking.ask(event_id, Reserve(1, None)), Done)
        return successor.registry.alive == 1

    await until(reached)


# The way breaks


async def test_a_fault_after_a_lost_answer_proves_nothing(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    await lossy_owner(cluster, 0, after_commit=True)
    second, third = cluster.ring.order(event_id)[1:]
    cluster.workers[second].crash()
    await cluster.worker(second, pending_max=0)
    with pytest.raises(OutcomeUnknown):
        await cluster.workers[third].ask(event_id, Reserve(1, None))
    assert len(await cluster.ledger(event_id)) == 1, "it was done"


class Lossy(PeerServer):
    """An owner that goes away in the middle: before it has looked at a request, or after."""

    after_commit = True
    asked = 0

    def _ask(self, stream: FrameStream, frame: AskFrame) -> None:
        self.asked += 1
        if not self.after_commit:
            self._break(stream)
            return
        future = self._registry.submit(frame.event_id, request_in(frame))
        future.add_done_callback(lambda _: self._break(stream))

    def _read(self, stream: FrameStream, frame: ReadFrame) -> None:
        self.asked += 1
        self._break(stream)

    @staticmethod
    def _break(stream: FrameStream) -> None:
        assert stream._transport is not None
        stream._transport.abort()


async def lossy_owner(cluster: Cluster, index: int, *, after_commit: bool) -> Lossy:
    """Put one in the place of the worker `index`."""
    cluster.workers[index].crash()
    lossy = Lossy(await cluster.registry(), cluster.path(index))
    lossy.after_commit = after_commit
    await lossy.start()
    cluster._stack.push_async_callback(lossy.stop)
    return lossy


@pytest.mark.parametrize("key", ["the client's", None], ids=["keyed", "without-a-key"])
@pytest.mark.parametrize("after_commit", [True, False], ids=["after-commit", "before-commit"])
async def test_a_move_whose_answer_was_lost_is_done_exactly_once(
    cluster: Cluster, key: str | None, after_commit: bool
) -> None:
    owner = 0
    event_id = await cluster.event(owner)
    lossy = await lossy_owner(cluster, owner, after_commit=after_commit)
    asking = cluster.workers[cluster.ring.order(event_id)[2]]
    answer = await asking.ask(event_id, Reserve(3, None), key)
    assert lossy.asked == 1
    assert isinstance(answer, Done)
    assert (answer.version, answer.available_seats) == (3, 97)
    assert answer.replayed == after_commit
    (row,) = await cluster.ledger(event_id)
    assert row["seat_delta"] == -3
    if key is not None:
        assert row["request_key"] == key


async def test_many_moves_whose_answers_were_lost_are_done_exactly_once(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    await lossy_owner(cluster, 0, after_commit=True)
    asking = cluster.workers[1], cluster.workers[2]
    answers = await asyncio.gather(
        *(asking[n % 2].ask(event_id, Reserve(1, None), f"key {n}") for n in range(60))
    )
    versions = [answer.version for answer in answers if isinstance(answer, Done)]
    assert sorted(versions) == list(range(3, 63))
    ledger = await cluster.ledger(event_id)
    assert sorted(row["request_key"] for row in ledger) == sorted(f"key {n}" for n in range(60))
    assert ledger[-1]["available_seats"] == 40


async def test_a_refusal_after_a_lost_answer_is_the_last_word(cluster: Cluster) -> None:
    event_id = await cluster.event(0, seats=2)
    await lossy_owner(cluster, 0, after_commit=False)
    asking = cluster.workers[cluster.ring.order(event_id)[2]]
    answer = await asking.ask(event_id, Reserve(3, None), "too many")
    assert answer == InsufficientSeats(3, 2)
    assert await cluster.ledger(event_id) == []
    assert len(await cluster.refusals(event_id)) == 1


async def test_a_key_that_was_told_unknown_here_hears_nothing_else_from_another_owner(
    cluster: Cluster,
) -> None:
    event_id = await cluster.event(0)
    await lossy_owner(cluster, 0, after_commit=True)
    second, third = cluster.ring.order(event_id)[1:]
    cluster.workers[second].crash()
    await cluster.worker(second, pending_max=0)
    with pytest.raises(OutcomeUnknown):
        await cluster.workers[third].ask(event_id, Reserve(1, None), "k")
    cluster.workers[0].crash()
    # The new owner knows nothing of it, and is full.
    full = await cluster.worker(0, pending_max=0)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await cluster.workers[third].ask(event_id, Reserve(1, None), "k")
        with pytest.raises(Overloaded):
            await cluster.workers[third].ask(event_id, Reserve(1, None), "another")
    full.crash()
    await cluster.worker(0)

    async def answered() -> bool:
        try:
            answer = await cluster.workers[third].ask(event_id, Reserve(1, None), "k")
        except OutcomeUnknown:
            return False
        return isinstance(answer, Done) and answer.replayed

    await until(answered)
    assert len(await cluster.ledger(event_id)) == 1


async def test_an_admins_change_whose_answer_was_lost_is_done_exactly_once(
    cluster: Cluster,
) -> None:
    event_id = await cluster.event(0)
    await lossy_owner(cluster, 0, after_commit=True)
    asking = cluster.workers[cluster.ring.order(event_id)[2]]
    answer = await asking.ask(event_id, Update(ADMIN, False, 2, {"name": "Late"}, 0))
    assert isinstance(answer, Done)
    assert answer.version == 3
    (row,) = await cluster.ledger(event_id)
    assert row["kind"] == "updated"


async def test_a_read_whose_answer_was_lost_is_read_from_the_database(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    assert isinstance(await cluster.workers[0].ask(event_id, Reserve(1, None)), Done)
    lossy = await lossy_owner(cluster, 0, after_commit=True)
    state = await cluster.workers[1].forwarder.read(event_id)
    assert state is not None
    assert (state.version, lossy.asked) == (3, 1)


class Silent(PeerServer):
    """An owner that hears and says nothing, as a paused process does."""

    def _arrived(self, stream: FrameStream, frame: Frame) -> None:
        """Nothing."""


async def test_a_silent_owner_is_given_up_in_time(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_link, "UNDER_WAY_S", 0.1)
    monkeypatch.setattr(peer_link, "READ_S", 0.1)
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    silent = Silent(await cluster.registry(), cluster.path(0))
    await silent.start()
    cluster._stack.push_async_callback(silent.stop)
    asking = cluster.workers[1].forwarder
    began_s = time.monotonic()
    # It may have been carried out there, and its time is over: nobody can tell.
    with pytest.raises(OutcomeUnknown):
        await asking.ask(event_id, ask_for(Reserve(1, None), "patient", wait_s=0.2))
    state = await asking.read(event_id)
    assert state is not None
    assert state.version == 2
    assert time.monotonic() - began_s < 5 * peer_link.SWEEP_S
    await silent.stop()
    answer = await asking.ask(event_id, ask_for(Reserve(1, None), "patient"))
    assert isinstance(answer, Done)
    assert len(await cluster.ledger(event_id)) == 1


@pytest.mark.parametrize(
    "garbage", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
async def test_a_peer_that_talks_nonsense_is_cut_off(cluster: Cluster, garbage: bytes) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    # From Python 3.13 on the server has done so itself.
    cluster.path(0).unlink(missing_ok=True)

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(garbage)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(babble, str(cluster.path(0)))
    async with server:
        answer = await cluster.workers[1].ask(event_id, Reserve(1, None), "key")
        assert isinstance(answer, Done)
    assert len(await cluster.ledger(event_id)) == 1


@pytest.mark.parametrize(
    "garbage", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_a_worker_cuts_off_who_talks_nonsense_and_serves_the_others(
    cluster: Cluster, garbage: bytes
) -> None:
    event_id = await cluster.event(0)
    reader, writer = await asyncio.open_unix_connection(str(cluster.path(0)))
    writer.write(garbage)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert isinstance(await cluster.workers[1].ask(event_id, Reserve(1, None)), Done)


# Links


async def test_a_link_to_nobody_says_so_at_once(tmp_path: Path) -> None:
    link = PeerLink(tmp_path / "nobody.sock")
    began_s = time.monotonic()
    for _ in range(3):
        with pytest.raises(LinkDown):
            await link.ask("event", ask_for(Reserve(1, None)))
        with pytest.raises(LinkDown):
            await link.read("event")
    assert time.monotonic() - began_s < 0.5
    link.close()


async def test_closing_a_link_gives_up_what_is_under_way(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    silent = Silent(await cluster.registry(), cluster.path(0))
    await silent.start()
    cluster._stack.push_async_callback(silent.stop)
    link = PeerLink(cluster.path(0))
    asked = asyncio.create_task(link.ask(event_id, ask_for(Return(1, None))))
    await until(lambda: bool(silent._streams))
    link.close()
    with pytest.raises(LinkLost):
        await asked


async def test_a_client_that_goes_away_takes_no_forwarded_move_back(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    asking = cluster.workers[1]
    assert isinstance(await asking.ask(event_id, Reserve(1, None)), Done)
    gone = asyncio.create_task(asking.ask(event_id, Reserve(1, None), "gone"))
    await asyncio.sleep(0)
    gone.cancel()
    answer = await asking.ask(event_id, Reserve(1, None), "gone")
    assert isinstance(answer, Done)
    assert len(await cluster.ledger(event_id)) == 2


async def test_a_server_that_stops_answers_what_it_was_asked(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    asking = cluster.workers[1]
    assert isinstance(await asking.ask(event_id, Reserve(1, None)), Done)
    asked = [
        asyncio.create_task(asking.ask(event_id, Reserve(1, None), f"key {n}")) for n in range(20)
    ]
    while not cluster.workers[0].registry.pending:
        await asyncio.sleep(0)
    await cluster.workers[0].server.stop()
    answers = await asyncio.gather(*asked)
    assert all(isinstance(answer, Done) for answer in answers)
    ledger = await cluster.ledger(event_id)
    assert len(ledger) == 21
    assert len({row["request_key"] for row in ledger}) == 21
