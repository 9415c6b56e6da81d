"""A primary with a synchronous standby: what is answered is there after a failover, too."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from db import event_store
from db.database import Database
from evently.domain.commits import FateUnknown, Noted
from evently.domain.errors import AnswerLost, DatabaseUnavailable, OutcomeUnknown
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer, Done
from evently.domain.state import EventState
from tests.contracts import _published, _try_to_create
from tests.examples import ORIGIN, batch, reserve
from tests.integration.test_event_store import OnPostgres
from tests.standby import ReplicatedPair
from tests.unit.one_worker import Counts
from tests.until import until

WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = $1"


@pytest.fixture
async def setting(pair: ReplicatedPair) -> AsyncIterator[OnPostgres]:
    """The store on the primary, while the standby answers."""
    other = await asyncpg.connect(pair.dsn)
    async with Database(pair.dsn) as database:
        yield OnPostgres(database, pair.dsn, other)
    await other.close()


@pytest.fixture
async def state(setting: OnPostgres) -> EventState:
    return await _published(setting)


async def until_it_waits(setting: OnPostgres, application: str) -> int:
    """The process whose commit waits for the standby."""
    async with asyncio.timeout(5):
        while (pid := await setting.other.fetchval(WAITS, application)) is None:
            await asyncio.sleep(0.01)
        return int(pid)


async def cut_short(setting: OnPostgres, application: str, how: str) -> None:
    """Let the commit that waits for the standby go on without it."""
    pid = await until_it_waits(setting, application)
    assert await setting.other.fetchval(f"SELECT {how}($1)", pid)


async def noted(setting: OnPostgres, state: EventState, key: str) -> Noted:
    """What the ledger holds under a key."""
    (found,) = (await setting.store.recall([(state.details.event_id, ORIGIN.caller, key)])).values()
    return found


@pytest.mark.parametrize("how", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_that_did_not_wait_for_the_standby_is_unknown_until_it_is_there(
    pair: ReplicatedPair,
    setting: OnPostgres,
    state: EventState,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_store, "READ_S", 0.5)
    lane = setting.store.lane()
    assert (await lane.commit([batch(await _published(setting), ("k", reserve()))])).event_ids
    pair.standby.end(signal.SIGQUIT)

    committing = asyncio.create_task(lane.commit([batch(state, ("k", reserve()))]))
    await cut_short(setting, "evently-committer", how)
    with pytest.raises(FateUnknown):
        await committing

    assert not (await noted(setting, state, "k")).proven
    pair.bring_back()
    assert (await noted(setting, state, "k")).proven
    await lane.close()


@pytest.mark.parametrize("pooled", [False, True])
async def test_behind_a_pooler_it_is_the_lanes_that_notice_a_lost_primary(
    pair: ReplicatedPair, setting: OnPostgres, state: EventState, *, pooled: bool
) -> None:
    """The pool's own connections are whole: a pooler keeps them and gets others to the server."""
    direct = pair.dsn.replace("sslmode=disable", "sslmode=allow") if pooled else pair.dsn
    async with Database(pair.dsn, commit_dsn=direct) as database:
        store = event_store.EventStore(database, direct)
        lane = store.lane()
        assert (await lane.commit([batch(state, ("k", reserve()))])).event_ids
        assert (await store.load([state.details.event_id])).states
        lane_pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'evently-committer'"
        assert await setting.other.fetchval(f"SELECT pg_terminate_backend(({lane_pid}), 5000)")
        pair.standby.end(signal.SIGQUIT)
        await until(lambda: lane._connection is None, what="the lane's end")

        if pooled:
            with pytest.raises(AnswerLost):
                await store.load([state.details.event_id])
        else:
            assert (await store.load([state.details.event_id])).states
        pair.bring_back()
        assert (await store.load([state.details.event_id])).states
        await lane.close()


async def test_a_row_that_a_crash_made_visible_is_not_proven_until_the_standby_has_it(
    pair: ReplicatedPair, setting: OnPostgres, state: EventState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_store, "READ_S", 0.5)
    lane = setting.store.lane()
    pair.standby.end(signal.SIGQUIT)
    committing = asyncio.create_task(lane.commit([batch(state, ("k", reserve()))]))
    await until_it_waits(setting, "evently-committer")
    pair.primary.end(signal.SIGQUIT)
    with pytest.raises(FateUnknown):
        await committing
    pair.primary.start()

    # One statement that finds out that its connection is gone; then a new one.
    with pytest.raises(DatabaseUnavailable):
        await setting.store.load([])
    assert not (await noted(setting, state, "k")).proven
    with pytest.raises(DatabaseUnavailable):
        await setting.store.load([state.details.event_id])

    pair.bring_back()
    assert (await noted(setting, state, "k")).proven
    assert (await setting.store.load([state.details.event_id])).states
    await lane.close()


async def test_what_is_read_later_costs_no_commit(
    pair: ReplicatedPair, setting: OnPostgres, state: EventState
) -> None:
    pair.standby.end(signal.SIGQUIT)

    assert (await setting.store.load([state.details.event_id])).states
    assert not await setting.store.recall([(state.details.event_id, ORIGIN.caller, "unknown")])


async def test_all_that_wait_share_a_commit(setting: OnPostgres) -> None:
    witness = setting.store._database.witness
    await witness.prove(5.0)
    position = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
    before = await setting.other.fetchval(position)
    await witness.prove(5.0)
    one = await setting.other.fetchval(position) - before

    await asyncio.gather(*(witness.prove(5.0) for _ in range(100)))

    # The first goes alone, the others together.
    assert await setting.other.fetchval(position) - before < 10 * one


async def test_a_creation_that_did_not_wait_for_the_standby_is_of_unknown_outcome(
    pair: ReplicatedPair, setting: OnPostgres
) -> None:
    venue_id = str(uuid4())
    await setting.set_venue(venue_id, 10)
    pair.standby.end(signal.SIGQUIT)

    creating = asyncio.create_task(_try_to_create(setting, venue_id, 10))
    await cut_short(setting, "evently", "pg_cancel_backend")

    with pytest.raises(AnswerLost):
        await creating


async def answer_for_sure(registry: Registry, event_id: str, key: str) -> Answer:
    """The answer under a key, asked for again while it is not known."""
    async with asyncio.timeout(20):
        while True:
            deadline_s = asyncio.get_running_loop().time() + 5.0
            request = Request(
                reserve(), key, True, Origin("key:booking", "request"), deadline_s, False
            )
            with suppress(OutcomeUnknown, DatabaseUnavailable):
                return await registry.ask(event_id, request)
            await asyncio.sleep(0.05)


async def test_a_key_whose_commit_was_cancelled_is_told_once_the_standby_has_it(
    pair: ReplicatedPair, setting: OnPostgres, state: EventState
) -> None:
    registry = Registry(setting.store, DatabaseClock(), Counts())
    registry.start()
    event_id = state.details.event_id
    await answer_for_sure(registry, event_id, "first")
    pair.standby.end(signal.SIGQUIT)

    deadline_s = asyncio.get_running_loop().time() + 5.0
    request = Request(reserve(), "k", True, Origin("key:booking", "request"), deadline_s, False)
    asking = asyncio.create_task(registry.ask(event_id, request))
    await cut_short(setting, "evently-committer", "pg_cancel_backend")
    with pytest.raises(OutcomeUnknown):
        await asking

    pair.bring_back()
    assert isinstance(await answer_for_sure(registry, event_id, "k"), Done)
    assert [row.key for row in (await setting.ledger(event_id))[2:]] == ["first", "k"]
    await registry.stop()
