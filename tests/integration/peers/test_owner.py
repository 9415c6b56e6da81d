"""An event is answered by its owner, whichever worker is asked."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from evently.domain.commands import Cancel, Reserve, Update
from evently.domain.errors import Overloaded
from evently.domain.outcomes import (
    Done,
    InsufficientSeats,
    KeyReused,
    NotFound,
    NotOwner,
    StaleVersion,
)
from evently.domain.state import Status
from tests.integration.peers.cluster import ADMIN, WORKERS, Cluster


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
    assert await ask(event_id, Reserve(1, 1)) == StaleVersion(
        1, 2, 5, Status.PUBLISHED, ("status",)
    )
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
