"""A request that was sent and not answered is carried out exactly once."""

import asyncio
import time

import pytest

from actors.peers import link as peer_link
from evently.domain.commands import Reserve, Update
from evently.domain.errors import OutcomeUnknown, Overloaded
from evently.domain.outcomes import (
    Done,
    InsufficientSeats,
)
from tests.integration.peers.cluster import ADMIN, Cluster, Silent, ask_for, lossy_owner
from tests.until import until


async def test_a_fault_after_a_lost_answer_proves_nothing(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    await lossy_owner(cluster, 0, after_commit=True)
    second, third = cluster.ring.order(event_id)[1:]
    cluster.workers[second].crash()
    await cluster.worker(second, pending_max=0)
    with pytest.raises(OutcomeUnknown):
        await cluster.workers[third].ask(event_id, Reserve(1, None))
    assert len(await cluster.ledger(event_id)) == 1, "it was done"


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
