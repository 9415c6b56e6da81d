"""Another worker takes over an event whose owner cannot be reached, and gives it back."""

from evently.domain.commands import Reserve
from evently.domain.outcomes import (
    Done,
)
from tests.integration.peers.cluster import NEXT_RELEASE, Cluster
from tests.until import until


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


async def test_workers_of_two_releases_do_not_reach_each_other(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    _, second, third = cluster.ring.order(event_id)
    cluster.workers[0].crash()
    newer = await cluster.worker(0, NEXT_RELEASE)
    older = await cluster.workers[third].ask(event_id, Reserve(1, None), "older")
    assert isinstance(older, Done)
    assert (cluster.workers[second].registry.alive, newer.registry.alive) == (1, 0)
    # Two actors own the event now; the version check and the ledger's keys hold across both.
    again = await newer.ask(event_id, Reserve(1, None), "older")
    assert isinstance(again, Done)
    assert (again.version, again.replayed) == (older.version, True)
    assert isinstance(await newer.ask(event_id, Reserve(1, None)), Done)
    assert isinstance(await cluster.workers[third].ask(event_id, Reserve(1, None)), Done)
    assert len(await cluster.ledger(event_id)) == 3
