"""`verify` on ledgers that were tampered with, each in one way."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from click.testing import CliRunner, Result

from db.event_check import EventCheck, Replayed
from db.ledger_proofs import LedgerProofs
from evently.commands.verify import Verified, line_of, verify, verify_events
from evently.embedded import EmbeddedPostgres
from tests.databases import Databases

VENUE = "11111111-1111-4111-8111-111111111111"
ADD_VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES ($1, 'Hall', '1 Street', 'Oslo', 'Norway', 20000, $1)
"""
ADD_EVENT = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, revenue, created_by)
VALUES ($1, 'Night', '', $2, 'concert', now() + interval '1 day', now() + interval '2 days',
        100, 95, 10, 10, 'published', 4, 2, 50, $2)
"""
# version, kind, seat_delta, capacity_delta, money_delta, available_seats, status
LEDGER = (
    (1, "created", 0, 100, 0, 100, "draft"),
    (2, "published", 0, 0, 0, 100, "published"),
    (3, "reserved", -8, 0, 80, 92, "published"),
    (4, "returned", 3, 0, -30, 95, "published"),
)
ADD_VERSION = """
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
VALUES ($1, $2::bigint, $3, $4, $5, $6, $7, $8, 'key ' || $2, '', 'internal:test', 'request')
"""


class Setting:
    """A database with events that are right, until a test has its way with them."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self.connection = connection

    async def add(self, event_id: str | None = None) -> str:
        event_id = event_id or str(uuid4())
        await self.connection.execute(ADD_EVENT, event_id, VENUE)
        for version in LEDGER:
            await self.connection.execute(ADD_VERSION, event_id, *version)
        return event_id

    async def tamper(self, sql: str, event_id: str) -> None:
        """Change what no client could."""
        await self.connection.execute(sql, event_id)

    async def verify(self, page_events: int = 1000) -> tuple[Verified, list[str]]:
        lines: list[str] = []
        async with EventCheck(self.url, page_events=page_events) as check:
            return await verify_events(check, lambda one: lines.append(line_of(one))), lines


async def command(url: str, *arguments: str) -> Result:
    """Run the command against the database at `url`."""
    environ = {"EVENTLY_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner(env=environ).invoke, verify, arguments)


@pytest.fixture(scope="session")
def unchecked(postgres: EmbeddedPostgres, template: str) -> Databases:
    """Databases without the schema's own checks, so that events may be tampered with."""
    postgres.create_database("unchecked", template)
    for name in ("seats_within_capacity", "status_follows_seats"):
        postgres.psql(f"ALTER TABLE events DROP CONSTRAINT events_{name}", "unchecked")
    return Databases(postgres, "unchecked")


@pytest.fixture
async def setting(postgres: EmbeddedPostgres, unchecked: Databases) -> AsyncIterator[Setting]:
    database = unchecked.take()
    url = postgres.dsn(database)
    connection = await asyncpg.connect(url)
    await connection.execute(ADD_VENUE, VENUE)
    yield Setting(url, connection)
    await connection.close()
    unchecked.give_back(database)


async def test_events_that_are_right_are_counted_and_not_listed(setting: Setting) -> None:
    for _ in range(3):
        await setting.add()
    assert await setting.verify() == (Verified(3, 12, 0), [])


async def test_a_database_without_events_is_right(setting: Setting) -> None:
    assert await setting.verify() == (Verified(0, 0, 0), [])


# How an event is tampered with, and what is said of it.
TAMPERED = [
    (
        "UPDATE events SET version = 5 WHERE event_id = $1",
        "version is 5 in the row, 4 in the ledger",
    ),
    (
        "UPDATE events SET available_seats = 94 WHERE event_id = $1",
        "available_seats is 94 in the row, 95 in the ledger",
    ),
    (
        "UPDATE events SET total_capacity = 101 WHERE event_id = $1",
        "total_capacity is 101 in the row, 100 in the ledger",
    ),
    (
        "UPDATE events SET revenue = 49.99 WHERE event_id = $1",
        "revenue is 49.99 in the row, 50.00 in the ledger",
    ),
    (
        "UPDATE events SET held_back_seats = 3 WHERE event_id = $1",
        (
            "held_back_seats is 3 in the row, 0 in the ledger; "
            "held_back_seats is 3 in the row, 0 in its holdbacks"
        ),
    ),
    (
        "UPDATE events SET holdbacks = '[{\"quantity\": 2}]' WHERE event_id = $1",
        "held_back_seats is 0 in the row, 2 in its holdbacks",
    ),
    (
        "UPDATE events SET status = 'cancelled' WHERE event_id = $1",
        "status is cancelled in the row, published in the ledger",
    ),
    (
        "UPDATE events SET available_seats = -1 WHERE event_id = $1",
        "available_seats is -1 in the row, 95 in the ledger; available_seats is -1 of 100",
    ),
    (
        "DELETE FROM event_ledger WHERE event_id = $1 AND version = 2",
        "the ledger has 3 of 4 versions, the first gap before version 3",
    ),
    (
        "DELETE FROM event_ledger WHERE event_id = $1 AND version = 4",
        (
            "version is 4 in the row, 3 in the ledger; "
            "available_seats is 95 in the row, 92 in the ledger; "
            "revenue is 50.00 in the row, 80.00 in the ledger"
        ),
    ),
    (
        "UPDATE event_ledger SET available_seats = 91 WHERE event_id = $1 AND version = 3",
        "the ledger's available_seats is not the sum up to version 3",
    ),
    (
        (
            "UPDATE event_ledger SET capacity_delta = 7, seat_delta = -7 "
            "WHERE event_id = $1 AND version = 2"
        ),
        "total_capacity is 100 in the row, 107 in the ledger",
    ),
    (
        (
            "UPDATE event_ledger SET seat_delta = CASE version WHEN 2 THEN 5 ELSE -13 END, "
            "available_seats = available_seats + CASE version WHEN 2 THEN 5 ELSE 0 END "
            "WHERE event_id = $1 AND version IN (2, 3)"
        ),
        "the ledger leaves 0 to capacity at version 2",
    ),
    (
        "UPDATE event_ledger SET money_delta = 81 WHERE event_id = $1 AND version = 3",
        "revenue is 50.00 in the row, 51.00 in the ledger",
    ),
    (
        "UPDATE event_ledger SET status = 'sold_out' WHERE event_id = $1 AND version = 4",
        "status is published in the row, sold_out in the ledger",
    ),
    (
        "DELETE FROM events WHERE event_id = $1",
        "the ledger has 4 versions of it, and there is no such event",
    ),
    (
        "DELETE FROM event_ledger WHERE event_id = $1",
        "version is 4, and it has no ledger",
    ),
]


@pytest.mark.parametrize(("sql", "line"), TAMPERED)
async def test_what_was_tampered_with_is_one_line_that_says_it(
    setting: Setting, sql: str, line: str
) -> None:
    await setting.add()
    event_id = await setting.add()
    await setting.tamper(sql, event_id)
    verified, lines = await setting.verify()
    assert lines == [f"{event_id}: {line}"]
    assert verified.differing == 1


@pytest.mark.parametrize("versions_max", [1, 3, 6, 100])
@pytest.mark.parametrize(("sql", "line"), TAMPERED)
async def test_what_is_replayed_piece_by_piece_is_the_same(
    setting: Setting, sql: str, line: str, versions_max: int
) -> None:
    await setting.add()
    event_id = await setting.add()
    await setting.tamper(sql, event_id)
    found = await replayed_by_pieces(setting.url, versions_max)
    assert len(found) == 2
    assert [one.event_id for one in found if one.differences()] == [event_id]
    (tampered,) = [one for one in found if one.event_id == event_id]
    assert "; ".join(tampered.differences()) == line


async def replayed_by_pieces(url: str, versions_max: int) -> list[Replayed]:
    found: list[Replayed] = []
    async with LedgerProofs(url, versions_max=versions_max) as proofs:
        async for standings in proofs.slices():
            left = standings
            while left:
                whole, left = await proofs.advance(left)
                found += whole
    return found


async def test_an_event_may_have_ended_since_its_last_version(setting: Setting) -> None:
    event_id = await setting.add()
    await setting.tamper(
        "UPDATE event_ledger SET status = 'completed' WHERE event_id = $1 AND version = 4", event_id
    )
    assert (await setting.verify())[1] == []


async def test_a_cancelled_event_was_never_completed(setting: Setting) -> None:
    event_id = await setting.add()
    await setting.tamper("UPDATE events SET status = 'cancelled' WHERE event_id = $1", event_id)
    await setting.tamper(
        "UPDATE event_ledger SET status = 'completed' WHERE event_id = $1 AND version = 4", event_id
    )
    _, lines = await setting.verify()
    assert lines == [f"{event_id}: status is cancelled in the row, completed in the ledger"]


@pytest.mark.parametrize("page_events", [1, 2, 3, 5, 6, 7, 1000])
async def test_every_event_is_looked_at_once_whatever_the_page(
    setting: Setting, page_events: int
) -> None:
    ends = [str(UUID(int=0)), str(UUID(int=2**128 - 1))]
    given = [*ends, *(str(uuid4()) for _ in range(4))]
    event_ids = sorted([await setting.add(event_id) for event_id in given])
    for event_id in event_ids[1::2]:
        await setting.tamper("UPDATE events SET revenue = 1 WHERE event_id = $1", event_id)
    verified, lines = await setting.verify(page_events)
    assert verified == Verified(6, 24, 3)
    assert [line[:36] for line in lines] == event_ids[1::2]


@pytest.mark.parametrize("page_events", [1, 2, 1000])
async def test_ledgers_without_an_event_are_found_wherever_they_lie(
    setting: Setting, page_events: int
) -> None:
    event_ids = sorted([await setting.add() for _ in range(5)])
    for event_id in event_ids[::2]:
        await setting.tamper("DELETE FROM events WHERE event_id = $1", event_id)
    verified, lines = await setting.verify(page_events)
    assert verified == Verified(2, 20, 3)
    assert [line[:36] for line in lines] == event_ids[::2]


async def test_the_check_writes_nothing(setting: Setting) -> None:
    await setting.add()
    async with EventCheck(setting.url) as check:
        assert check._connection is not None
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await check._connection.execute("DELETE FROM event_ledger")


async def test_the_command_says_that_all_is_right(setting: Setting) -> None:
    await setting.add()
    result = await command(setting.url)
    assert result.exit_code == 0, result.output
    assert result.stdout == "1 events, 4 versions: every event equals its ledger\n"


async def test_the_command_exits_with_1_for_an_event_that_differs(setting: Setting) -> None:
    event_id = await setting.add()
    await setting.tamper("UPDATE events SET revenue = 1 WHERE event_id = $1", event_id)
    result = await command(setting.url)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{event_id}: revenue is 1.00 in the row, 50.00 in the ledger",
        "1 events, 4 versions: 1 differ from their ledger",
    ]


async def test_the_command_shows_an_event_that_was_asked_for_as_json(setting: Setting) -> None:
    await setting.add()
    event_id = await setting.add()
    result = await command(setting.url, "--json", "--event", event_id)
    assert result.exit_code == 0, result.output
    event, summary = map(json.loads, result.stdout.splitlines())
    assert event == {
        "event_id": event_id,
        "differences": [],
        "row": {
            "version": 4,
            "total_capacity": 100,
            "available_seats": 95,
            "held_seats": 0,
            "held_back_seats": 0,
            "revenue": "50.00",
            "status": "published",
        },
        "ledger": {
            "versions": 4,
            "last_version": 4,
            "capacity": 100,
            "seats": 95,
            "held": 0,
            "held_back": 0,
            "money": "50.00",
            "status": "published",
            "gap_at": None,
            "wrong_at": None,
            "impossible_at": None,
        },
    }
    assert summary == {"events": 1, "versions": 4, "differing": 0}


async def test_as_json_only_events_that_differ_have_a_line(setting: Setting) -> None:
    await setting.add()
    event_id = await setting.add()
    await setting.tamper("DELETE FROM event_ledger WHERE event_id = $1", event_id)
    result = await command(setting.url, "--json")
    assert result.exit_code == 1
    event, summary = map(json.loads, result.stdout.splitlines())
    assert (event["event_id"], event["ledger"]) == (event_id, None)
    assert event["differences"] == ["version is 4, and it has no ledger"]
    assert summary == {"events": 2, "versions": 4, "differing": 1}


async def test_events_that_were_asked_for_are_checked_and_no_others(setting: Setting) -> None:
    asked, other = await setting.add(), await setting.add()
    await setting.tamper("UPDATE events SET revenue = 1 WHERE event_id = $1", other)
    result = await command(setting.url, "--event", asked)
    assert (result.exit_code, result.stdout) == (
        0,
        "1 events, 4 versions: every event equals its ledger\n",
    )
    result = await command(setting.url, "--event", asked, "--event", other)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{other}: revenue is 1.00 in the row, 50.00 in the ledger",
        "2 events, 8 versions: 1 differ from their ledger",
    ]


async def test_an_event_that_nobody_knows_is_said_so(setting: Setting) -> None:
    unknown = str(uuid4())
    result = await command(setting.url, "--event", unknown)
    assert result.exit_code == 1
    assert f"neither an event nor a ledger has the id {unknown}" in result.stderr


async def test_the_command_says_which_migrations_are_missing(empty_database_url: str) -> None:
    result = await command(empty_database_url)
    assert result.exit_code == 1
    assert "run `evently migrate` first" in result.output


async def test_the_command_says_that_no_database_answers() -> None:
    result = await command("postgresql://postgres@127.0.0.1:1/nowhere")
    assert result.exit_code == 1
    assert "Error: the database does not answer: " in result.output


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(verify, ["--help"]).output
    assert "Examples:\n    evently verify\n" in shown
