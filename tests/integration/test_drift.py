"""The background check on a real database: what it finds, and that it goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from db.database import Database
from db.ledger_proofs import WHOLE_EVERY_S
from db.replication_slots import SlotLag, read_slot_lag
from db.statements import Statement
from evently.drift import DriftCheck, SlotWatch, watching_database
from tests.integration.test_verify import ADD_EVENT, ADD_VENUE, ADD_VERSION, LEDGER, VENUE
from tests.until import until

# The next version, by one seat.
SELL = """
WITH event AS (
    UPDATE events
       SET version = version + 1, available_seats = available_seats - 1, revenue = revenue + 10
     WHERE event_id = $1
    RETURNING *
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT event_id, version, 'reserved', -1, 0, 10, available_seats, status, 'key ' || version, '',
       'internal:test', 'request'
  FROM event
"""
# The next version, by one seat that goes into a hold ($2).
HOLD = """
WITH event AS (
    UPDATE events
       SET version = version + 1, available_seats = available_seats - 1, held_seats = held_seats + 1
     WHERE event_id = $1
    RETURNING *
), hold AS (
    INSERT INTO event_holds (event_id, hold_id, quantity, unit_price, status, held_at, expires_at,
                             retaken)
    VALUES ($1, $2, 1, 10, 'held', now(), now() + interval '900 s', false)
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, held_delta, capacity_delta,
                          money_delta, available_seats, status, request_key, request, caller,
                          request_id)
SELECT event_id, version, 'held', -1, 1, 0, 0, available_seats, status, 'key ' || version, '',
       'internal:test', 'request'
  FROM event
"""
# The next version, by one seat that is kept back.
KEEP_BACK = """
WITH event AS (
    UPDATE events
       SET version = version + 1, available_seats = available_seats - 1,
           held_back_seats = held_back_seats + 1,
           holdbacks = jsonb_build_array(
               jsonb_build_object('name', 'Press', 'quantity', held_back_seats + 1))
     WHERE event_id = $1
    RETURNING *
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, held_back_delta, capacity_delta,
                          money_delta, available_seats, status, request_key, request, caller,
                          request_id)
SELECT event_id, version, 'updated', -1, 1, 0, 0, available_seats, status, 'key ' || version, '',
       'admin:test', 'request'
  FROM event
"""
OLD = timedelta(seconds=WHOLE_EVERY_S + 1)


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(database_url)
    await opened.execute(ADD_VENUE, VENUE)
    yield opened
    await opened.close()


async def add_event(connection: "asyncpg.Connection[asyncpg.Record]") -> str:
    event_id = str(uuid4())
    await connection.execute(ADD_EVENT, event_id, VENUE)
    for version in LEDGER:
        await connection.execute(ADD_VERSION, event_id, *version)
    return event_id


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def test_events_that_are_right_do_not_drift(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    for _ in range(5):
        await add_event(connection)
    check = DriftCheck(database_url, slice_events=2, sleep=no_pause)
    await check.check_all()
    assert (check.seats, check.events, check.checked) == (0, 0, 5)


async def test_seats_that_nobody_moved_are_counted_until_they_are_put_right(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    events = [await add_event(connection) for _ in range(5)]
    move = "UPDATE events SET available_seats = available_seats + $2 WHERE event_id = $1"
    await connection.execute(move, events[1], -3)
    await connection.execute(move, events[4], 2)
    check = DriftCheck(database_url, slice_events=2, sleep=no_pause)
    await check.check_all()
    assert (check.seats, check.events) == (5, 2)
    await check.check_all()
    assert (check.seats, check.events) == (5, 2), "the same events, seen again"
    await connection.execute(move, events[1], 3)
    await connection.execute(move, events[4], -2)
    await check.check_all()
    assert (check.seats, check.events) == (0, 0)


async def test_an_event_without_its_ledger_and_a_ledger_without_its_event_drift(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    events = [await add_event(connection) for _ in range(2)]
    await connection.execute("DELETE FROM event_ledger WHERE event_id = $1", events[0])
    await connection.execute("DELETE FROM events WHERE event_id = $1", events[1])
    check = DriftCheck(database_url, sleep=no_pause)
    await check.check_all()
    assert (check.seats, check.events) == (10, 2), "5 seats were out of each"


async def test_a_difference_that_moves_no_seat_still_counts_as_an_event(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    await connection.execute("UPDATE events SET revenue = 49 WHERE event_id = $1", event_id)
    check = DriftCheck(database_url, sleep=no_pause)
    await check.check_all()
    assert (check.seats, check.events) == (0, 1)


async def test_it_pauses_after_each_slice_for_much_longer_than_the_slice_took(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    for _ in range(4):
        await add_event(connection)
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    await DriftCheck(database_url, slice_events=2, sleep=sleep).check_all()
    assert len(pauses) >= 2
    assert min(pauses) >= 1.0


async def test_only_versions_that_are_new_are_replayed_also_by_the_next_node(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    events = [await add_event(connection) for _ in range(5)]
    for new, replayed in ((0, 20), (0, 0), (1, 1)):
        if new:
            await connection.execute(SELL, events[2])
        check = DriftCheck(database_url, slice_events=2, sleep=no_pause)
        await check.check_all()
        assert (check.checked, check.replayed, check.events) == (5, replayed, 0)


async def test_held_seats_are_proven_and_compared_with_the_holds_each_time(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    check = DriftCheck(database_url, sleep=no_pause)
    for replayed in (5, 6):
        await connection.execute(HOLD, event_id, uuid4())
        await check.check_all()
        assert (check.seats, check.events, check.replayed) == (0, 0, replayed)
    await connection.execute("DELETE FROM event_holds WHERE event_id = $1", event_id)
    await check.check_all()
    assert (check.seats, check.events, check.replayed) == (2, 1, 6)
    await connection.execute("UPDATE events SET held_seats = 0 WHERE event_id = $1", event_id)
    await check.check_all()
    assert (check.seats, check.events, check.replayed) == (2, 1, 6), "as its proof knows"


async def test_a_long_ledger_is_replayed_in_pieces_with_a_pause_after_each(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    for _ in range(9):
        await connection.execute(SELL, event_id)
    steps = [0]

    async def sleep(_: float) -> None:
        steps.append(check.replayed)

    check = DriftCheck(database_url, versions_max=5, sleep=sleep)
    await check.check_all()
    assert steps == [0, 5, 10, 13]
    assert (check.checked, check.events) == (1, 0)


async def test_a_check_that_was_interrupted_goes_on_where_it_was(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    await add_event(connection)
    await add_event(connection)

    class Interrupted(Exception):
        pass

    async def interrupt(_: float) -> None:
        raise Interrupted

    check = DriftCheck(database_url, versions_max=6, sleep=interrupt)
    with pytest.raises(Interrupted):
        await check.check_all()
    assert (check.checked, check.replayed) == (1, 6)
    check = DriftCheck(database_url, versions_max=6, sleep=no_pause)
    await check.check_all()
    assert (check.checked, check.replayed, check.events) == (2, 2, 0)


async def test_history_that_was_proven_is_replayed_again_now_and_then(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    assert await DriftCheck(database_url, sleep=no_pause).check_all()
    change = "UPDATE event_ledger SET available_seats = 91 WHERE event_id = $1 AND version = 3"
    await connection.execute(change, event_id)
    check = DriftCheck(database_url, sleep=no_pause)
    await check.check_all()
    assert (check.replayed, check.events) == (0, 0)
    await connection.execute("UPDATE event_proofs SET since = now() - $1::interval", OLD)
    for _ in range(2):
        await check.check_all()
        assert check.events == 1
    await connection.execute(change.replace("91", "92"), event_id)
    await check.check_all()
    assert check.events == 0
    replayed = check.replayed
    await check.check_all()
    assert check.replayed == replayed


async def test_a_ledger_that_is_shorter_than_what_was_proven_is_replayed_anew(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    await connection.execute(SELL, event_id)
    assert await DriftCheck(database_url, sleep=no_pause).check_all()
    await connection.execute("DELETE FROM event_ledger WHERE version = 5")
    check = DriftCheck(database_url, sleep=no_pause)
    await check.check_all()
    assert (check.replayed, check.seats, check.events) == (4, 1, 1)


async def test_one_node_checks_and_the_next_takes_over_when_it_is_gone(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    await connection.execute("UPDATE events SET revenue = 49 WHERE event_id = $1", event_id)
    first = DriftCheck(database_url, sleep=no_pause)
    second = DriftCheck(database_url, sleep=no_pause)
    await second.check_all()
    task = asyncio.create_task(first.run())
    await until(lambda: first.checked >= 3)
    assert not await second.check_all()
    assert (first.events, second.events) == (1, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(5):
        while not await second.check_all():
            await asyncio.sleep(0.01)
    assert second.events == 1


async def test_a_database_that_does_not_answer_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    check = DriftCheck("postgresql://postgres@127.0.0.1:1/none", sleep=no_pause)
    task = asyncio.create_task(check.run())
    await until(lambda: caplog.text.count("waits for the database") >= 2)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_lag_of_a_slot_grows_with_what_it_has_not_read(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    slot = f"test_{uuid4().hex}"
    async with Database(database_url) as database:
        assert await read_slot_lag(database) == SlotLag(0, 0)
        await connection.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
        try:
            before = (await read_slot_lag(database)).lag_bytes
            for _ in range(20):
                await add_event(connection)
            grown = (await read_slot_lag(database)).lag_bytes
            assert grown > before + 1000
        finally:
            await connection.execute("SELECT pg_drop_replication_slot($1)", slot)
        assert await read_slot_lag(database) == SlotLag(0, 0)


async def test_a_slot_watch_outlives_what_nobody_expected(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [ZeroDivisionError()]

    class Failing(Database):
        async def fetchrow(self, name: Statement, *args: object) -> "asyncpg.Record | None":
            if wrong:
                raise wrong.pop(0)
            return await super().fetchrow(name, *args)

    async with Failing(database_url) as database:
        watch = SlotWatch(database, sleep=no_pause)
        watch.lag = SlotLag(1, 0)
        task = asyncio.create_task(watch.run())
        await until(lambda: watch.lag == SlotLag(0, 0))
        task.cancel()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_what_is_watched_is_exported_and_the_tasks_end_with_it(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    await add_event(connection)
    watched: dict[str, Callable[[], float]] = {}
    counted: dict[str, Callable[[], float]] = {}
    tasks = asyncio.all_tasks()
    async with Database(database_url) as database:
        async with watching_database(
            database_url,
            database,
            lambda name, _, read: watched.update({name: read}),
            lambda name, _, read: counted.update({name: read}),
        ):
            await until(lambda: counted["evently_drift_checked_events_total"]() == 1)
        assert asyncio.all_tasks() == tasks
    assert {name: read() for name, read in watched.items()} == {
        "evently_seat_drift_seats": 0,
        "evently_drifting_events": 0,
        "evently_replication_slot_lag_bytes": 0,
        "evently_replication_slots_lost": 0,
    }


async def test_what_is_kept_back_is_proven_and_compared_with_the_blocks_each_time(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str
) -> None:
    event_id = await add_event(connection)
    check = DriftCheck(database_url, sleep=no_pause)
    for replayed in (5, 6):
        await connection.execute(KEEP_BACK, event_id)
        await check.check_all()
        assert (check.seats, check.events, check.replayed) == (0, 0, replayed)
    await connection.execute("UPDATE events SET holdbacks = '[]' WHERE event_id = $1", event_id)
    await check.check_all()
    assert (check.seats, check.events, check.replayed) == (2, 1, 6)
    await connection.execute("UPDATE events SET held_back_seats = 0 WHERE event_id = $1", event_id)
    await check.check_all()
    assert (check.seats, check.events, check.replayed) == (2, 1, 6), "as its proof knows"
