"""The store on a real PostgreSQL: the contract, and what only a server and a network can do."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from db import event_store
from db.database import Database
from db.event_store import CommitLane, EventStore
from db.refusal_store import PRUNE_LOCK_ID, RefusalStore
from evently.domain.commits import Batch, Broken, FateUnknown, HeldRows, Locked, NotDone
from evently.domain.outcomes import LedgerKind
from evently.domain.state import EventState, Status
from evently.embedded import EmbeddedPostgres
from tests.contracts import EventStoreContract, Version, _load, _published
from tests.examples import ADMIN, ORIGIN, batch, reserve, update
from tests.hold_contracts import HoldStoreContract
from tests.holdback_contracts import HoldbackStoreContract
from tests.opening_contracts import OpeningStoreContract

SET_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', $2, $3)
ON CONFLICT (venue_id) DO UPDATE SET capacity = excluded.capacity
"""
LEDGER = "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version"
COMMITTERS = """
SELECT pid, wait_event_type FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'evently-committer'
"""


class OnPostgres:
    """The store, and a second connection to look and interfere with."""

    def __init__(
        self, database: Database, dsn: str, other: "asyncpg.Connection[asyncpg.Record]"
    ) -> None:
        self.dsn = dsn
        self.store = EventStore(database, dsn)
        self.refusals = RefusalStore(database)
        self.other = other

    async def set_venue(self, venue_id: str, capacity: int) -> None:
        await self.other.execute(SET_VENUE, venue_id, capacity, ADMIN)

    async def ledger(self, event_id: str) -> list[Version]:
        return [
            Version(
                row["version"],
                LedgerKind(row["kind"]),
                row["request_key"],
                row["request"],
                row["seat_delta"],
                row["capacity_delta"],
                row["money_delta"],
                row["available_seats"],
                Status(row["status"]),
            )
            for row in await self.other.fetch(LEDGER, event_id)
        ]

    async def until_a_committer(self, *, waits: bool) -> int:
        """The process of the one committer there is, once it waits for a row."""
        async with asyncio.timeout(5):
            while True:
                rows = await self.other.fetch(COMMITTERS)
                if len(rows) == 1 and (rows[0]["wait_event_type"] == "Lock") == waits:
                    return int(rows[0]["pid"])
                await asyncio.sleep(0.01)


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[OnPostgres]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield OnPostgres(database, database_url, other)
    await other.close()


@pytest.fixture
async def state(setting: OnPostgres) -> EventState:
    return await _published(setting)


@pytest.fixture
async def lane(setting: OnPostgres) -> AsyncIterator[CommitLane]:
    lane = setting.store.lane()
    yield lane
    await lane.close()


class TestEventStore(
    EventStoreContract, HoldStoreContract, HoldbackStoreContract, OpeningStoreContract
):
    @pytest.fixture
    async def setting(self, database_url: str) -> AsyncIterator[OnPostgres]:
        other = await asyncpg.connect(database_url)
        async with Database(database_url) as database:
            yield OnPostgres(database, database_url, other)
        await other.close()


def move(state: EventState, key: str = "k") -> Batch:
    return batch(state, (key, reserve()))


@asynccontextmanager
async def held(setting: OnPostgres, state: EventState) -> AsyncIterator[None]:
    """Hold the event's row."""
    holder = await asyncpg.connect(setting.dsn)
    try:
        async with holder.transaction():
            row = "SELECT FROM events WHERE event_id = $1 FOR UPDATE"
            await holder.execute(row, state.details.event_id)
            yield
    finally:
        await holder.close()


def settings(monkeypatch: pytest.MonkeyPatch, **changed: str) -> None:
    """Let lanes that are opened from now on have other settings at the server."""
    monkeypatch.setattr(event_store, "_LANE_SETTINGS", {**event_store._LANE_SETTINGS, **changed})


async def test_a_row_that_is_held_is_waited_for_and_then_locked(
    setting: OnPostgres, state: EventState, lane: CommitLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(monkeypatch, lock_timeout="100")
    async with held(setting, state):
        with pytest.raises(Locked):
            await lane.commit([move(state)])

    assert (await lane.commit([move(state)])).event_ids


async def test_what_a_batch_would_wait_for_is_found_without_a_wait(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    other = await _published(setting)
    moves = [move(state), move(other)]
    assert await lane.held(moves) == HeldRows()
    async with held(setting, state):
        assert await lane.held(moves) == HeldRows({state.details.event_id})
        assert (await lane.commit([move(other)])).event_ids

    # It holds nothing itself.
    assert await lane.held(moves) == HeldRows()
    assert (await lane.commit([move(state)])).event_ids


async def test_a_held_venue_is_waited_for_only_by_those_who_need_room_there(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    change = batch(state, ("c", update(total_capacity=state.total_capacity + 1)))
    gone = replace(change.after.details, venue_id="00000000-0000-0000-0000-000000000000")
    async with setting.other.transaction():
        row = "SELECT FROM venues WHERE venue_id = $1 FOR UPDATE"
        await setting.other.execute(row, state.details.venue_id)
        assert await lane.held([change]) == HeldRows(venues={state.details.event_id})
        assert await lane.held([move(state)]) == HeldRows()

    # A venue that is not there is held by nobody: the statement itself says that it has no room.
    assert await lane.held([replace(change, after=replace(change.after, details=gone))]) == (
        HeldRows()
    )
    assert await lane.held([change]) == HeldRows()


async def test_a_statement_that_the_server_stops_is_not_done(
    setting: OnPostgres, state: EventState, lane: CommitLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(monkeypatch, statement_timeout="100")
    async with held(setting, state):
        with pytest.raises(NotDone):
            await lane.commit([move(state)])

    assert await _load(setting, state.details.event_id) == state


async def test_a_commit_that_is_silent_for_too_long_is_unknown_and_its_lane_made_anew(
    setting: OnPostgres, state: EventState, lane: CommitLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_store, "COMMIT_S", 0.2)
    async with held(setting, state):
        with pytest.raises(FateUnknown):
            await lane.commit([move(state)])

    # The server goes on with what it was sent, so the same statement finds its version gone.
    async with asyncio.timeout(5):
        while (await _load(setting, state.details.event_id)).version == 2:
            await asyncio.sleep(0.01)
    assert (await lane.commit([move(state)])).event_ids == set()
    assert [row.key for row in await setting.ledger(state.details.event_id)][2:] == ["k"]


async def test_a_connection_that_is_cut_leaves_the_fate_open_and_the_next_is_new(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    async with held(setting, state):
        cut = asyncio.create_task(lane.commit([move(state)]))
        pid = await setting.until_a_committer(waits=True)

        await setting.other.execute("SELECT pg_terminate_backend($1)", pid)

        with pytest.raises(FateUnknown):
            await cut
    assert (await lane.commit([move(state)])).event_ids


async def test_a_connection_that_died_unused_is_made_anew_before_anything_is_sent(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    await lane.commit([move(state)])
    pid = await setting.until_a_committer(waits=False)
    await setting.other.execute("SELECT pg_terminate_backend($1)", pid)
    async with asyncio.timeout(5):
        while lane._connection is not None:
            await asyncio.sleep(0.01)
    state = await _load(setting, state.details.event_id)

    assert (await lane.commit([move(state, "l")])).event_ids
    assert [row.key for row in await setting.ledger(state.details.event_id)][2:] == ["k", "l"]


async def test_a_caller_that_is_cancelled_leaves_no_connection_in_doubt(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    async with held(setting, state):
        cancelled = asyncio.create_task(lane.commit([move(state)]))
        await setting.until_a_committer(waits=True)

        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    other = await _published(setting)
    assert (await lane.commit([move(other)])).event_ids == {other.details.event_id}


@pytest.mark.parametrize(
    "dsn", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://127.0.0.1:1/"]
)
async def test_a_server_that_is_not_there_was_sent_nothing(dsn: str, state: EventState) -> None:
    with pytest.raises(NotDone):
        await CommitLane(dsn).commit([move(state)])


async def test_a_server_that_takes_no_writes_was_sent_nothing_or_did_nothing(
    setting: OnPostgres, state: EventState, lane: CommitLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await setting.other.fetchval("SELECT current_database()")
    await lane.commit([move(await _published(setting))])
    await setting.other.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    with pytest.raises(NotDone):
        await setting.store.lane().commit([move(state)])

    settings(monkeypatch, default_transaction_read_only="on")
    monkeypatch.setattr(event_store, "PRIMARY", None)
    read_only = setting.store.lane()
    with pytest.raises(NotDone):
        await read_only.commit([move(state)])
    assert read_only._connection is None
    assert await _load(setting, state.details.event_id) == state


async def test_what_cannot_be_written_is_broken_and_nothing_is_sent(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    unheard_of = batch(state, ("k", update(2, name="Day")))
    (record,) = unheard_of.records
    entry = replace(record.entry, changes={"description": object()})
    unheard_of = replace(unheard_of, records=(replace(record, entry=entry),))

    with pytest.raises(Broken):
        await lane.commit([unheard_of])

    too_large = replace(state, available_seats=2**40)
    with pytest.raises(Broken):
        await lane.commit([replace(move(state), after=too_large)])
    assert (await lane.commit([move(state)])).event_ids


async def test_a_statement_that_the_server_forgot_is_prepared_again(
    state: EventState, lane: CommitLane
) -> None:
    await lane.commit([move(state)])
    assert lane._connection is not None
    await lane._connection.execute("DEALLOCATE ALL")
    after = replace(move(state).after, updated_at=state.updated_at)

    with pytest.raises(Broken):
        await lane.commit([move(after, "l")])

    assert (await lane.commit([move(after, "l")])).event_ids


async def test_nothing_is_cancelled_at_the_server_while_a_standby_is_waited_for(
    setting: OnPostgres,
    state: EventState,
    lane: CommitLane,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would commit without the standby, and be told as done."""
    monkeypatch.setattr(event_store, "COMMIT_S", 0.2)
    event_id = state.details.event_id
    await lane.commit([move(await _published(setting))])
    admin = await asyncpg.connect(postgres.dsn("postgres"))

    async def standby(name: str) -> None:
        await admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        await admin.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(5):
            while await admin.fetchval("SHOW synchronous_standby_names") != name:
                await asyncio.sleep(0.01)

    async def until_a_commit_waits() -> None:
        with suppress(TimeoutError):
            while True:
                await setting.other.execute(SET_VENUE, str(uuid4()), 1, ADMIN, timeout=0.1)

    try:
        await standby("nobody")
        await until_a_commit_waits()
        with pytest.raises(FateUnknown):
            await lane.commit([move(state)])
        await asyncio.sleep(0.3)
        assert await _load(setting, event_id) == state
    finally:
        await standby("")
        await admin.close()
    async with asyncio.timeout(5):
        while (await _load(setting, event_id)).version == 2:
            await asyncio.sleep(0.01)


async def test_no_server_side_limit_is_off(setting: OnPostgres, lane: CommitLane) -> None:
    await lane.commit([move(await _published(setting))])
    connection = lane._connection
    assert connection is not None
    named: dict[str, Any] = {
        name: await connection.fetchval(f"SHOW {name}")
        for name in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "tcp_user_timeout",
        )
    }

    # Linux tells the last of a TCP connection only; these tests use a socket file.
    assert named.pop("tcp_user_timeout") is not None
    assert named == {
        "statement_timeout": "2s",
        "lock_timeout": "250ms",
        "idle_in_transaction_session_timeout": "10s",
    }


async def test_an_unknown_id_and_a_key_of_any_letters_are_found_or_not(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    key = " !\"#$%&'()*+,-./~"
    await lane.commit([move(state, key)])

    event_id, caller = state.details.event_id, ORIGIN.caller
    noted = await setting.store.recall([(event_id, caller, key), (str(uuid4()), caller, key)])

    assert list(noted) == [(event_id, caller, key)]


async def refused_ago(setting: OnPostgres, state: EventState, seconds: Sequence[float]) -> None:
    """Keep a refusal for each of these ages."""
    for age_s in seconds:
        await setting.other.execute(
            "INSERT INTO event_refusals VALUES ($1, $2, 'booking', '-1 at *', '{}',"
            " now() - make_interval(secs => $3))",
            state.details.event_id,
            f"k{age_s}",
            age_s,
        )


async def test_refusals_are_deleted_once_they_are_old_the_oldest_first(
    setting: OnPostgres, state: EventState
) -> None:
    await refused_ago(setting, state, [50.0, 90.0, 10.0, 70.0])

    assert await setting.refusals.prune(60.0, 1) == 1
    left = await setting.other.fetch("SELECT request_key FROM event_refusals ORDER BY 1")
    assert [row[0] for row in left] == ["k10.0", "k50.0", "k70.0"]
    assert await setting.refusals.prune(60.0, 10) == 1
    assert await setting.refusals.prune(60.0, 10) == 0


async def test_one_node_at_a_time_deletes_refusals(setting: OnPostgres, state: EventState) -> None:
    await refused_ago(setting, state, [90.0])
    async with setting.other.transaction():
        await setting.other.execute("SELECT pg_advisory_xact_lock($1)", PRUNE_LOCK_ID)
        assert await setting.refusals.prune(60.0, 10) is None
    assert await setting.refusals.prune(60.0, 10) == 1


async def test_without_a_standby_nothing_is_committed_for_what_was_only_read(
    setting: OnPostgres, state: EventState, lane: CommitLane
) -> None:
    await lane.commit([move(state)])

    ((_, noted),) = (
        await setting.store.recall([(state.details.event_id, ORIGIN.caller, "k")])
    ).items()

    assert noted.proven
    assert setting.store._database.witness._connection is None
