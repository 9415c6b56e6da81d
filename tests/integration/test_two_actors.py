"""Two live actors for one event, as after a crash or with a stale ring: the version check of the
commit makes one of them decide again, so both progress and one ledger tells one story.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import asyncpg
import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from db.database import Database
from db.event_check import EventCheck
from db.event_store import EventStore
from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.errors import Overloaded
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    Answer,
    Done,
    InsufficientSeats,
    InvalidFields,
    KeyReused,
    NotModifiable,
    StaleVersion,
)
from evently.domain.state import Status
from tests.integration.stored_draft import store_draft

ADMIN = "22222222-2222-4222-8222-222222222222"
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', $2, $1)
"""


class Overtakings:
    """Counts how often another writer was faster."""

    def __init__(self) -> None:
        self.count = 0

    def committed(self, events: int, moves: int, seconds: float) -> None: ...

    def overtaken(self, events: int) -> None:
        self.count += events

    def went_back(self) -> None: ...

    def failed(self, reason: str) -> None: ...


class Pair:
    """Two registries that both take themselves for the owner of every event."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.overtakings = Overtakings()
        self.registries: list[Registry] = []
        self.venue_id = str(uuid4())

    async def start(self, stack: AsyncExitStack) -> None:
        for _ in range(2):
            database = await stack.enter_async_context(Database(self.url))
            store = EventStore(database, self.url)
            registry = Registry(store, DatabaseClock(), self.overtakings)
            registry.start()
            stack.push_async_callback(registry.stop)
            self.registries.append(registry)
        await self.sql(ADD_VENUE, self.venue_id, 10_000)

    async def sql(self, sql: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def event(self, seats: int) -> str:
        """A published event that both have in memory."""
        event_id = str(uuid4())
        await store_draft(self.url, event_id, self.venue_id, ADMIN, seats)
        publish = Update(ADMIN, False, 1, {"status": Status.PUBLISHED}, 0)
        assert isinstance(await self.ask(0, event_id, publish), Done)
        assert await self.registries[1].read(event_id) is not None
        return event_id

    async def ask(
        self, which: int, event_id: str, command: Command, key: str | None = None
    ) -> Answer:
        request = Request(
            command,
            key or uuid4().hex,
            key is not None,
            Origin("test", "request"),
            time.monotonic() + 20,
        )
        return await self.registries[which].ask(event_id, request)

    async def persist(self, which: int, event_id: str, command: Command, key: str) -> Answer:
        """Ask as a client does, who asks again with its key after 503."""
        for _ in range(100):
            try:
                return await self.ask(which, event_id, command, key)
            except Overloaded:
                continue
        raise AssertionError(f"{key} never got through")

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """Its versions, after a check that they add up to its row."""
        async with EventCheck(self.url) as check:
            async for page in check.pages():
                for replayed in page:
                    assert replayed.differences() == []
        return await self.sql(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        pair = Pair(database_url)
        await pair.start(stack)
        yield pair


async def test_both_progress_and_no_version_is_used_twice(pair: Pair) -> None:
    event_id = await pair.event(seats=2000)

    async def sell(which: int, client: int) -> list[Done]:
        done = []
        for n in range(10):
            key = f"{which}-{client}-{n}"
            answer = await pair.persist(which, event_id, Reserve(1, None), key)
            assert isinstance(answer, Done)
            done.append(answer)
        return done

    sold = await asyncio.gather(*(sell(which, n) for n in range(20) for which in (0, 1)))
    versions = [answer.version for done in sold for answer in done]
    assert sorted(versions) == list(range(3, 403))
    assert all(answer.version + answer.available_seats == 2002 for done in sold for answer in done)
    ledger = await pair.ledger(event_id)
    assert [row["version"] for row in ledger] == list(range(1, 403))
    by_actor = Counter(row["request_key"][0] for row in ledger[2:])
    assert by_actor == {"0": 200, "1": 200}
    assert pair.overtakings.count > 0, "they were never in each other's way"


async def test_they_sell_no_seat_twice(pair: Pair) -> None:
    event_id = await pair.event(seats=70)
    answers = await asyncio.gather(
        *(pair.persist(n % 2, event_id, Reserve(1, None), f"client {n}") for n in range(100))
    )
    assert sum(isinstance(answer, Done) for answer in answers) == 70
    assert sum(isinstance(answer, InsufficientSeats) for answer in answers) == 30
    ledger = await pair.ledger(event_id)
    assert ledger[-1]["available_seats"] == 0
    assert len(ledger) == 72


async def test_one_key_in_both_at_once_is_one_move(pair: Pair) -> None:
    for _ in range(20):
        event_id = await pair.event(seats=10)
        answers = await asyncio.gather(
            *(pair.persist(n % 2, event_id, Reserve(2, None), "same") for n in range(10))
        )
        assert all(isinstance(answer, Done) for answer in answers), answers
        assert {answer.version for answer in answers if isinstance(answer, Done)} == {3}
        assert len(await pair.ledger(event_id)) == 3


async def test_one_key_with_two_requests_in_both_at_once_is_one_move(pair: Pair) -> None:
    for _ in range(10):
        event_id = await pair.event(seats=10)
        answers = await asyncio.gather(
            *(pair.persist(n % 2, event_id, Reserve(1 + n % 2, None), "same") for n in range(10))
        )
        assert {type(answer) for answer in answers} == {Done, KeyReused}
        assert len(await pair.ledger(event_id)) == 3


async def test_a_stale_actor_decides_on_what_the_other_has_committed(pair: Pair) -> None:
    event_id = await pair.event(seats=5)
    assert isinstance(await pair.ask(0, event_id, Reserve(5, None)), Done)
    # The second still has five seats in memory.
    assert await pair.ask(1, event_id, Reserve(1, None), "late") == InsufficientSeats(1, 0)
    assert isinstance(await pair.ask(1, event_id, Return(2, None)), Done)
    # The first has none in memory, and looks before it refuses one who may ask again.
    answer = await pair.ask(0, event_id, Reserve(2, None), "back")
    assert isinstance(answer, Done)
    assert (answer.version, answer.available_seats) == (5, 0)


async def test_a_version_that_the_other_has_told_is_no_conflict(pair: Pair) -> None:
    event_id = await pair.event(seats=50)
    version = 2
    for n in range(20):
        answer = await pair.ask(n % 2, event_id, Reserve(1, version))
        assert isinstance(answer, Done), answer
        version = answer.version
    refused = await pair.ask(0, event_id, Reserve(1, 2), "looked up")
    assert refused == StaleVersion(2, 22, 30, Status.PUBLISHED)


async def test_nothing_is_sold_after_a_cancel_through_the_other(pair: Pair) -> None:
    event_id = await pair.event(seats=10_000)
    told: list[Done] = []

    async def sell() -> None:
        while True:
            answer = await pair.persist(0, event_id, Reserve(1, None), uuid4().hex)
            if not isinstance(answer, Done):
                assert isinstance(answer, NotModifiable), answer
                return
            told.append(answer)
            # One that never pauses is always first: it knows the next version before it reads it.
            await asyncio.sleep(0.003)

    async def cancel() -> int:
        """Bet on many versions at once, until one of them is right."""
        version = 2
        while True:
            bets = await asyncio.gather(
                *(pair.ask(1, event_id, Cancel(ADMIN, False, version + n)) for n in range(30)),
                return_exceptions=True,
            )
            for answer in bets:
                if isinstance(answer, Done):
                    return answer.version
                if isinstance(answer, StaleVersion):
                    version = answer.current_version

    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(sell())
        cancelled = tasks.create_task(cancel())
    versions = [answer.version for answer in told]
    assert max(versions, default=0) < cancelled.result()
    ledger = await pair.ledger(event_id)
    assert ledger[-1]["kind"] == "cancelled"
    assert len(ledger) == len(versions) + 3


async def test_an_event_that_its_venue_has_no_room_for_is_refused_and_its_neighbours_are_not(
    pair: Pair,
) -> None:
    event_id = await pair.event(seats=100)
    # The venue was larger when the admin's request looked at it.
    await pair.sql("UPDATE venues SET capacity = 200 WHERE venue_id = $1", pair.venue_id)
    grow = Update(ADMIN, False, 2, {"total_capacity": 900}, 10_000)
    answers = await asyncio.gather(
        pair.ask(0, event_id, grow),
        *(pair.ask(0, event_id, Reserve(1, None)) for _ in range(20)),
    )
    assert isinstance(answers[0], InvalidFields), answers[0]
    assert answers[0].problems[0][0] == "venue_id"
    assert all(isinstance(answer, Done) for answer in answers[1:])
    ledger = await pair.ledger(event_id)
    assert {row["kind"] for row in ledger[2:]} == {"reserved"}
    assert len(ledger) == 22


async def test_of_two_changes_at_once_the_one_that_the_venue_has_room_for_is_made(
    pair: Pair,
) -> None:
    event_id = await pair.event(seats=100)
    await pair.sql("UPDATE venues SET capacity = 200 WHERE venue_id = $1", pair.venue_id)
    answers = await asyncio.gather(
        pair.ask(0, event_id, Update(ADMIN, False, 2, {"total_capacity": 150}, 10_000)),
        pair.ask(0, event_id, Update(ADMIN, False, 3, {"total_capacity": 900}, 10_000)),
        pair.ask(0, event_id, Reserve(1, None)),
    )
    assert isinstance(answers[0], Done)
    assert isinstance(answers[1], InvalidFields)
    assert isinstance(answers[2], Done)
    ledger = await pair.ledger(event_id)
    assert [row["available_seats"] for row in ledger] == [100, 100, 150, 149]
