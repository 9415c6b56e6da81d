"""Two live actors for one event, as after a crash or with a stale ring: the version check of the
commit makes one of them decide again, so both progress and one ledger tells one story.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from uuid import uuid4

import pytest

from evently.domain.commands import Cancel, Reserve, Return, Update
from evently.domain.outcomes import (
    Done,
    InsufficientSeats,
    InvalidFields,
    KeyReused,
    NotModifiable,
    StaleVersion,
)
from evently.domain.state import Status
from tests.integration.two_owners import ADMIN, Pair


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


async def test_each_names_the_terms_that_the_other_has_changed(pair: Pair) -> None:
    event_id = await pair.event(seats=50)
    for which, version, changes in (
        (0, 2, {"base_price": Decimal(30)}),
        (1, 3, {"max_tickets_per_booking": 3, "name": "Day"}),
        (0, 4, {"base_price": Decimal(10)}),
    ):
        update = Update(ADMIN, False, version, changes, 10_000)
        assert isinstance(await pair.ask(which, event_id, update), Done)
    for which in (1, 0):
        for version, fields in (
            (1, ("base_price", "max_tickets_per_booking", "status")),
            (2, ("base_price", "max_tickets_per_booking")),
            (4, ("base_price",)),
            (9, ()),
        ):
            for key in (None, f"{which} {version}"):
                told = await pair.ask(which, event_id, Reserve(1, version, True), key)
                assert told == StaleVersion(version, 5, 50, Status.PUBLISHED, fields)


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
