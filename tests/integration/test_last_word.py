"""A refusal of a key is the last word on it, whatever is still on its way under that key.

What is on its way is made of what happens: a commit that hangs, a second owner, a backend that is
stopped while its worker is killed. Each test asks for seats that only the lost batch makes free.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from unittest.mock import patch

import asyncpg
import pytest

from db import event_store
from db.database import Database
from db.event_store import EventStore
from evently.domain.commands import Reserve, Return
from evently.domain.commits import FateUnknown, Loaded
from evently.domain.errors import Fault, OutcomeUnknown
from evently.domain.outcomes import Answer, Done, InsufficientSeats, KeyReused
from evently.domain.state import EventState
from tests.examples import batch, give_back, reserve
from tests.integration.two_owners import Pair

# A commit that takes its time and lets nobody cancel it, as one that waits for a standby does.
HANG = """
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE until timestamptz := clock_timestamp() + make_interval(secs => {seconds});
BEGIN
    WHILE clock_timestamp() < until LOOP
        BEGIN
            PERFORM pg_sleep_until(until);
        EXCEPTION WHEN query_canceled THEN NULL;
        END;
    END LOOP;
    RETURN NULL;
END $$
"""
HANG_FOR_BACK = """
CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON event_ledger DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.request_key = 'back') EXECUTE FUNCTION hang()
"""
HANGING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
async def pair(database_url: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        pair = Pair(database_url)
        await pair.start(stack)
        yield pair


async def sold_out(pair: Pair) -> str:
    """An event with no seat left, which both owners know."""
    event_id = await pair.event(seats=2)
    assert isinstance(await pair.ask(0, event_id, Reserve(2, None), "first"), Done)
    assert await pair.registries[1].read_through(event_id) is not None
    return event_id


async def let_commits_hang(pair: Pair, seconds: float) -> None:
    """Let each commit hang that has something under the key "back"."""
    await pair.sql(HANG.format(seconds=seconds))
    await pair.sql(HANG_FOR_BACK)


async def until(pair: Pair, sql: str) -> None:
    """Wait until `sql` finds a row."""
    async with asyncio.timeout(5):
        while not await pair.sql(sql):
            await asyncio.sleep(0.01)


def keys(ledger: Sequence[asyncpg.Record]) -> set[str]:
    return {row["request_key"] for row in ledger}


async def insist(pair: Pair, which: int, event_id: str, key: str) -> tuple[Answer, list[Fault]]:
    """The answer to a request that is sent until there is one, and what was heard before."""
    heard: list[Fault] = []
    async with asyncio.timeout(20):
        while True:
            try:
                return await pair.ask(which, event_id, Reserve(2, None), key), heard
            except Fault as fault:
                heard.append(fault)
                await asyncio.sleep(0.02)


async def test_a_commit_that_hangs_for_longer_than_it_is_looked_for(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = await sold_out(pair)
    await let_commits_hang(pair, seconds=3)
    monkeypatch.setattr(event_store, "COMMIT_S", 0.3)
    resolver = pair.registries[0]._resolver
    resolver._answer_s, resolver._background_s = 0.2, 0.3

    lost = await asyncio.gather(
        pair.ask(0, event_id, Return(2, None), "back"),
        pair.ask(0, event_id, Reserve(2, None), "k"),
        return_exceptions=True,
    )
    assert [type(fault) for fault in lost] == [OutcomeUnknown, OutcomeUnknown]
    async with asyncio.timeout(5):
        while event_id in pair.registries[0]._actors:
            await asyncio.sleep(0.01)
    assert await pair.sql(HANGING), "it hangs for longer than it was looked for"

    # Unknown stays unknown while it hangs, and then the ledger answers.
    answer, heard = await insist(pair, 0, event_id, "k")

    assert not await pair.sql(HANGING)
    assert isinstance(answer, Done)
    assert answer.replayed
    assert {type(fault) for fault in heard} == {OutcomeUnknown}
    assert keys(await pair.ledger(event_id)) >= {"back", "k"}


async def test_one_key_at_two_owners_while_a_commit_is_slow(pair: Pair) -> None:
    event_id = await sold_out(pair)
    await let_commits_hang(pair, seconds=0.5)
    back = asyncio.create_task(pair.ask(0, event_id, Return(2, None), "back"))
    first = asyncio.create_task(pair.ask(0, event_id, Reserve(2, None), "k"))
    await until(pair, HANGING)

    (second, _), first_answer = await asyncio.gather(insist(pair, 1, event_id, "k"), first)

    assert isinstance(await back, Done)
    assert isinstance(first_answer, Done)
    assert isinstance(second, Done)
    assert second.version == first_answer.version


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a process of the server for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_backend_that_is_stopped_and_an_owner_that_is_killed(pair: Pair) -> None:
    event_id = await sold_out(pair)
    async with Database(pair.url) as database:
        store = EventStore(database, pair.url)
        state = (await store.load([event_id])).states[event_id]
        # All that a killed owner leaves behind is a connection.
        owner = store.lane()
        now = (await store.load([])).now
        await owner.commit([batch(await another(pair, store), ("warm", reserve()), now=now)])
        connection = owner._connection
        assert connection is not None
        pid = connection.get_server_pid()
        with stopped(pid):
            sent = asyncio.create_task(
                owner.commit([batch(state, ("back", give_back(2)), ("k", reserve(2)), now=now)])
            )
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            connection.terminate()
            answer = await pair.ask(1, event_id, Reserve(2, None), "k")
            assert answer == InsufficientSeats(2, 0)
        with pytest.raises(FateUnknown):
            await sent
    await until(pair, f"SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid})")

    # Its statement has run, on a fence that is gone.
    assert keys(await pair.ledger(event_id)).isdisjoint({"back", "k"})
    assert isinstance(await pair.ask(1, event_id, Return(2, None), "later"), Done)
    for which in (0, 1):
        answer = await pair.ask(which, event_id, Reserve(2, None), "k")
        assert answer == InsufficientSeats(2, 0)


async def another(pair: Pair, store: EventStore) -> EventState:
    """The state of an event that nothing happens to."""
    event_id = await pair.event(seats=1)
    return (await store.load([event_id])).states[event_id]


async def test_a_refusal_outlives_its_owner_and_the_load(pair: Pair) -> None:
    event_id = await sold_out(pair)
    assert await pair.ask(0, event_id, Reserve(2, None), "k") == InsufficientSeats(2, 0)
    assert isinstance(await pair.ask(0, event_id, Return(2, None), "back"), Done)
    # Whatever was remembered is gone.
    for registry in pair.registries:
        registry._keys._answers.clear()
        registry.sweep(0.0)

    for which in (1, 0):
        answer = await pair.ask(which, event_id, Reserve(2, None), "k")
        assert answer == InsufficientSeats(2, 0)
    assert await pair.ask(1, event_id, Reserve(1, None), "k") == KeyReused("k")
    assert isinstance(await pair.ask(1, event_id, Reserve(2, None), "l"), Done)


async def test_a_key_that_was_refused_at_one_owner_is_refused_at_the_other(pair: Pair) -> None:
    """Which holds the event in memory, decides to sell, and is told by its own statement."""
    event_id = await sold_out(pair)
    assert await pair.ask(0, event_id, Reserve(2, None), "k") == InsufficientSeats(2, 0)
    assert isinstance(await pair.ask(1, event_id, Return(2, None), "back"), Done)

    both = await asyncio.gather(
        pair.ask(1, event_id, Reserve(2, None), "k"), pair.ask(1, event_id, Reserve(1, None), "l")
    )

    assert both[0] == InsufficientSeats(2, 0)
    assert isinstance(both[1], Done)


@pytest.mark.parametrize("key", ["k", None])
async def test_a_refusal_rests_on_a_state_that_is_newer_than_its_request(
    pair: Pair, key: str | None
) -> None:
    """Two owners in turn: neither refuses for what only its memory says."""
    event_id = await sold_out(pair)
    for turn in range(10):
        which = turn % 2
        assert isinstance(await pair.ask(which, event_id, Return(2, None)), Done)
        name = None if key is None else f"{key}{turn}"
        assert isinstance(await pair.ask(1 - which, event_id, Reserve(2, None), name), Done)


async def test_one_read_proves_the_refusals_of_all_that_wait(pair: Pair) -> None:
    event_ids = [await sold_out(pair) for _ in range(5)]
    loads: list[int] = []
    store = pair.registries[0]._committer._store
    load = store.load

    async def counted(event_ids: Sequence[str]) -> Loaded:
        loads.append(len(event_ids))
        return await load(event_ids)

    with patch.object(store, "load", counted):
        answers = await asyncio.gather(
            *(pair.ask(0, event_ids[n % 5], Reserve(1, None)) for n in range(50))
        )

    assert set(answers) == {InsufficientSeats(1, 0)}
    assert loads == [5]
