"""What the search service is sent: a real logical slot with pgoutput, and a real subscription.

Rule: the replica is built from what comes through the slot and the back-fill alone, and is then
the source's equal.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from db.migrate import migrate, migrations
from db.sql import load
from db.statements import Statement
from evently.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, running
from tests.acceptance.service_process import ROOT
from tests.until import until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Row: TypeAlias = dict[str, str | None]

PUBLICATION = "evently_search"
PAGE = 7
FIRST = UUID(int=0)


@dataclass(frozen=True)
class Change:
    """One row as pgoutput sends it; `row` is the new one, or the key of one that is gone."""

    commit_lsn: int
    table: str
    kind: str
    row: Row


class Decoder:
    """pgoutput, protocol version 1: PostgreSQL's manual, "Logical Replication Message Formats"."""

    def __init__(self) -> None:
        self._relations: dict[int, tuple[str, list[str]]] = {}
        self._commit_lsn = 0

    def read(self, message: bytes) -> Change | None:
        """The change in `message`; None for one that only frames changes."""
        kind = message[:1]
        if kind == b"B":
            (self._commit_lsn,) = struct.unpack_from("!q", message, 1)
        elif kind == b"R":
            self._relation(message)
        elif kind in b"IUD":
            return self._change(kind.decode(), message)
        else:
            assert kind == b"C", message
        return None

    def _relation(self, message: bytes) -> None:
        (oid,) = struct.unpack_from("!I", message, 1)
        schema, at = _text(message, 5)
        table, at = _text(message, at)
        assert schema == "public"
        assert message[at : at + 1] == b"d", "the replica identity is the primary key"
        (count,) = struct.unpack_from("!h", message, at + 1)
        at += 3
        columns = []
        for _ in range(count):
            name, at = _text(message, at + 1)
            columns.append(name)
            at += 8
        self._relations[oid] = table, columns

    def _change(self, kind: str, message: bytes) -> Change:
        (oid,) = struct.unpack_from("!I", message, 1)
        table, columns = self._relations[oid]
        assert message[5:6] == (b"K" if kind == "D" else b"N"), "no old rows are sent"
        (count,) = struct.unpack_from("!h", message, 6)
        assert count == len(columns)
        at, row = 8, Row()
        for column in columns:
            form = message[at : at + 1]
            at += 1
            if form == b"t":
                (size,) = struct.unpack_from("!i", message, at)
                row[column] = message[at + 4 : at + 4 + size].decode()
                at += 4 + size
            elif form == b"n":
                row[column] = None
            else:
                # An unchanged value that is stored out of line: the consumer keeps what it has.
                assert form == b"u", form
        return Change(self._commit_lsn, table, kind, row)


def _text(message: bytes, at: int) -> tuple[str, int]:
    end = message.index(b"\0", at)
    return message[at:end].decode(), end + 1


class Slot:
    """A logical slot of the test's own, as Debezium makes one."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name
        self._decoder = Decoder()

    async def changes(self) -> list[Change]:
        """What was committed since the last call, in the order in which it was committed."""
        rows = await self._connection.fetch(
            "SELECT data FROM pg_logical_slot_get_binary_changes($1, NULL, NULL,"
            " 'proto_version', '1', 'publication_names', $2)",
            self.name,
            PUBLICATION,
        )
        found = (self._decoder.read(row["data"]) for row in rows)
        return [change for change in found if change is not None]


@pytest.fixture
async def source(database_url: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(database_url)
    await opened.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    yield opened
    await opened.close()


@pytest.fixture
async def slot(source: Connection) -> AsyncIterator[Slot]:
    name = f"test_{uuid4().hex}"
    await source.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", name)
    yield Slot(source, name)
    await source.execute("SELECT pg_drop_replication_slot($1)", name)


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with running(Service(database_url, 1)) as started:
        yield started


async def backfill(source: Connection, page: int = PAGE) -> dict[str, Row]:
    """Every document, page by page, each as text."""
    found: dict[str, Row] = {}
    after = FIRST
    while True:
        rows = await source.fetch(load(Statement.PAGE_SEARCH_DOCUMENTS), after, page)
        found |= {str(row["event_id"]): _document(row) for row in rows}
        if len(rows) < page:
            return found
        after = rows[-1]["event_id"]


def _document(row: Any) -> Row:
    return {name: None if value is None else str(value) for name, value in row.items()}


class Replica:
    """A search index as docs/cdc.md says to keep one: venues, events, and documents of both."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Row]] = {"events": {}, "venues": {}}

    def apply(self, change: Change) -> None:
        """Take one change over; a late one of an event changes nothing."""
        table = self._tables[change.table]
        key = change.row[f"{change.table[:-1]}_id"]
        assert key is not None
        if change.kind == "D":
            table.pop(key, None)
            return
        table[key] = table.get(key, {}) | change.row

    def documents(self) -> dict[str, Row]:
        """The documents, in the form of the view."""
        found = {}
        for event_id, event in self._tables["events"].items():
            if event["status"] == "draft":
                continue
            venue = self._tables["venues"][event["venue_id"] or ""]
            found[event_id] = event | {
                f"venue_{name}": venue[name]
                for name in (
                    "name",
                    "address",
                    "city",
                    "state",
                    "country",
                    "postal_code",
                    "timezone",
                )
            }
        return found


async def assert_equal(replica: dict[str, Row], source: Connection) -> None:
    """Compare as text of one form: PostgreSQL's own."""
    rows = await source.fetch("SELECT to_jsonb(d) AS document FROM search_documents AS d")
    expected = {row["document"]["event_id"]: row["document"] for row in rows}
    assert replica.keys() == expected.keys()
    columns = sorted(next(iter(expected.values()))) if expected else []
    for event_id, document in replica.items():
        wanted = {name: expected[event_id][name] for name in columns}
        # What the stream tells as text means the same as what the view tells.
        same = await source.fetchval(
            "SELECT to_jsonb(jsonb_populate_record(NULL::search_documents, $1))", document
        )
        assert {name: same[name] for name in columns} == wanted


async def test_all_that_happens_to_an_event_arrives_in_commit_order(
    service: Service, slot: Slot, source: Connection
) -> None:
    async with service.connected():
        admin = await service.clients.admin()
        venue = await service.clients.create_venue(admin)
        event = await service.clients.create_event(admin, venue["venue_id"], total_capacity=3)
        published = await service.clients.publish(admin, event)
        event_id = event["event_id"]
        for _ in range(3):
            assert (await service.clients.reserve(event_id, 1)).status == 200
        assert (await service.clients.move(event_id, 1)).status == 200
        renamed = await service.api.call(
            "PUT",
            f"/api/v1/admin/venues/{venue['venue_id']}",
            headers=admin,
            body={"name": "Larger Hall"},
        )
        assert renamed.status == 200
        cancelled = await service.clients.cancel(admin, published | {"version": 6})
        assert cancelled.status == 200
    changes = await slot.changes()

    told = [
        (c.table, c.kind, c.row.get("version"), c.row.get("status"), c.row.get("available_seats"))
        for c in changes
    ]
    assert told == [
        ("venues", "I", None, None, None),
        ("events", "I", "1", "draft", "3"),
        ("events", "U", "2", "published", "3"),
        ("events", "U", "3", "published", "2"),
        ("events", "U", "4", "published", "1"),
        ("events", "U", "5", "sold_out", "0"),
        ("events", "U", "6", "published", "1"),
        ("venues", "U", None, None, None),
        ("events", "U", "7", "cancelled", "1"),
    ]
    assert changes[-2].row["name"] == "Larger Hall"
    lsns = [change.commit_lsn for change in changes]
    assert lsns == sorted(set(lsns)), "each change is a commit of its own, in order"

    replica = Replica()
    for change in changes:
        replica.apply(change)
    await assert_equal(replica.documents(), source)


async def test_nothing_about_admins_or_money_leaves(
    service: Service, slot: Slot, source: Connection
) -> None:
    async with service.connected():
        event = await service.clients.published_event()
        await service.clients.reserve(event["event_id"], 2)
    changes = await slot.changes()
    assert {change.table for change in changes} == {"venues", "events"}
    seen = {column for change in changes for column in change.row}
    assert seen.isdisjoint({"created_by", "revenue", "layout_config", "email", "password_hash"})
    tables = await source.fetch(
        "SELECT tablename, attnames FROM pg_publication_tables WHERE pubname = $1", PUBLICATION
    )
    assert {row["tablename"] for row in tables} == {"venues", "events"}
    view = await source.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'search_documents'::regclass"
    )
    assert {row["attname"] for row in view}.isdisjoint({"created_by", "revenue"})


async def test_a_replica_of_backfill_and_stream_equals_the_source(
    service: Service, slot: Slot, source: Connection
) -> None:
    """Events move all the while: what the back-fill saw early, the stream brings up to date."""
    async with service.connected():
        events = [await service.clients.published_event(total_capacity=40) for _ in range(12)]
        draft_admin = await service.clients.admin()
        venue = await service.clients.create_venue(draft_admin)
        draft = await service.clients.create_event(draft_admin, venue["venue_id"])
        # The slot is there first; then the back-fill, while seats move; then the stream.
        selling = asyncio.create_task(_sell(service, events))
        documents = await backfill(source, page=5)
        assert draft["event_id"] not in documents
        await _rename_venue_of(service, events[0])
        cancelled = await service.clients.cancel(draft_admin, await _current(service, events[1]))
        assert cancelled.status in {200, 409}
        await selling
        await service.clients.publish(draft_admin, draft)
    changes = await slot.changes()

    # Seen by the back-fill or by the stream, each event is there; the stream has the last word.
    replica = Replica()
    for event_id, document in documents.items():
        as_event = {name: text for name, text in document.items() if name[:6] != "venue_"}
        replica.apply(
            Change(
                0,
                "events",
                "I",
                as_event | {"event_id": event_id, "venue_id": document["venue_id"]},
            )
        )
        as_venue = {
            name.removeprefix("venue_"): text
            for name, text in document.items()
            if name[:6] == "venue_" and name != "venue_id"
        }
        replica.apply(Change(0, "venues", "I", as_venue | {"venue_id": document["venue_id"]}))
    for change in changes:
        replica.apply(change)
    assert len(replica.documents()) == 13
    await assert_equal(replica.documents(), source)
    assert await backfill(source) == await backfill(source, page=1000)


async def _sell(service: Service, events: list[dict[str, Any]]) -> None:
    for n in range(120):
        await service.clients.reserve(events[n % len(events)]["event_id"], 1)


async def _rename_venue_of(service: Service, event: dict[str, Any]) -> None:
    answer = await service.api.call(
        "PUT",
        f"/api/v1/admin/venues/{event['venue_id']}",
        headers=await service.clients.admin(),
        body={"name": "Renamed", "city": "Bergen"},
    )
    assert answer.status == 200


async def _current(service: Service, event: dict[str, Any]) -> dict[str, Any]:
    answer = await service.api.call(
        "GET", f"/api/v1/admin/events/{event['event_id']}", headers=await service.clients.admin()
    )
    current: dict[str, Any] = answer.json
    return current


async def test_a_subscription_of_another_database_follows(
    service: Service, source: Connection, postgres: EmbeddedPostgres, database_url: str
) -> None:
    """PostgreSQL's own consumer: it copies what is there, then follows."""
    publisher = database_url.rpartition("/")[2].partition("?")[0]
    name = f"search_{uuid4().hex}"
    postgres.create_database(name)
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        async with service.connected():
            event = await service.clients.published_event(total_capacity=5)
            await source.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", name)
            target = await asyncpg.connect(postgres.dsn(name))
            await target.execute(SEARCH_TABLES)
            host = await source.fetchval("SHOW unix_socket_directories")
            await target.execute(
                f"CREATE SUBSCRIPTION search CONNECTION 'dbname={publisher} host={host}"
                f" port=5432 user=postgres' PUBLICATION {PUBLICATION}"
                f" WITH (create_slot = false, slot_name = '{name}')"
            )
            try:
                copied = "SELECT count(*) FROM events"
                await until(lambda: target.fetchval(copied), 30.0, "the first copy")
                await service.clients.reserve(event["event_id"], 5)
                await _rename_venue_of(service, event)
                followed = (
                    "SELECT e.status = 'sold_out' AND v.name = 'Renamed'"
                    " FROM events AS e JOIN venues AS v USING (venue_id)"
                )
                await until(lambda: target.fetchval(followed), 30.0, "the last change")
                mine = await target.fetch("SELECT to_jsonb(e) AS row FROM events AS e")
                columns = list(json.loads(mine[0]["row"]))
                theirs = await source.fetch(
                    f"SELECT to_jsonb(e) AS row FROM (SELECT {', '.join(columns)} FROM events) AS e"
                )
                assert [json.loads(row["row"]) for row in mine] == [row["row"] for row in theirs]
            finally:
                await target.execute("DROP SUBSCRIPTION search")
                await target.close()


SEARCH_TABLES = """
CREATE TABLE events (
    event_id uuid PRIMARY KEY, version bigint, status text, name text, description text,
    venue_id uuid, event_type text, start_datetime timestamptz, end_datetime timestamptz,
    base_price numeric(12, 2), total_capacity integer, available_seats integer,
    max_tickets_per_booking integer, updated_at timestamptz, held_seats integer,
    sales_start timestamptz, sales_end timestamptz, paused boolean, currency text
);
CREATE TABLE venues (
    venue_id uuid PRIMARY KEY, name text, address text, city text, state text, country text,
    postal_code text, updated_at timestamptz, timezone text
);
"""


async def test_a_role_that_may_not_publish_still_migrates(
    empty_database_url: str, postgres: EmbeddedPostgres, source: Connection
) -> None:
    """It owns its schema and nothing more; an administrator then runs the documented statement."""
    role = f"migrator_{uuid4().hex[:8]}"
    database = empty_database_url.rpartition("/")[2].partition("?")[0]
    postgres.psql(f"CREATE ROLE {role} LOGIN")
    postgres.psql(f"GRANT ALL ON SCHEMA public TO {role}", database)
    postgres.psql(f"REVOKE CREATE ON DATABASE {database} FROM PUBLIC")
    try:
        as_role = await asyncpg.connect(empty_database_url, user=role)
        assert await migrate(as_role) == migrations()
        assert await as_role.fetchval("SELECT count(*) FROM search_documents") == 0
        assert await as_role.fetchval("SELECT count(*) FROM pg_publication") == 0
        await as_role.close()
        as_admin = await asyncpg.connect(empty_database_url)
        await as_admin.execute(documented_statement())
        tables = await as_admin.fetch("SELECT * FROM pg_publication_tables ORDER BY tablename")
        await as_admin.close()
        assert [row["tablename"] for row in tables] == ["events", "venues"]
        documented = {row["tablename"]: row["attnames"] for row in tables}
    finally:
        postgres.psql(f"DROP OWNED BY {role}", database)
        postgres.psql(f"DROP ROLE {role}")
    assert documented == await published_columns(source)


async def test_a_publication_is_extended_unless_somebody_changed_it(
    empty_database_url: str, source: Connection
) -> None:
    (extends,) = (one for one in migrations() if one.name == "search_opening")
    connection = await asyncpg.connect(empty_database_url)
    try:
        await migrate(connection, migrations()[: extends.number - 1])
        async with connection.transaction():
            await connection.execute("ALTER PUBLICATION evently_search SET TABLE events (event_id)")
            await connection.execute(extends.sql)
            assert await published_columns(connection) == {"events": ["event_id"]}
            await connection.execute("DROP PUBLICATION evently_search")
            await connection.execute(extends.sql)
            assert await published_columns(connection) == {}
            raise _Undone
    except _Undone:
        await migrate(connection)
        assert await published_columns(connection) == await published_columns(source)
    finally:
        await connection.close()


class _Undone(Exception):
    """Ends a transaction of a test."""


async def published_columns(source: Connection) -> dict[str, list[str]]:
    """The columns of each table that the publication sends."""
    rows = await source.fetch(
        "SELECT tablename, attnames FROM pg_publication_tables WHERE pubname = $1", PUBLICATION
    )
    return {row["tablename"]: row["attnames"] for row in rows}


async def test_the_documented_connector_reads_what_is_published(source: Connection) -> None:
    text = (ROOT / "docs" / "cdc.md").read_text(encoding="utf-8")
    config = json.loads(text.partition("```json\n")[2].partition("```")[0])["config"]
    assert config["publication.name"] == PUBLICATION
    assert config["plugin.name"] == "pgoutput"
    assert config["publication.autocreate.mode"] == "disabled"
    published = await published_columns(source)
    tables = {f"public.{table}" for table in published}
    assert set(config["table.include.list"].split(",")) == tables
    columns = {
        f"public.{table}.{column}" for table, columns in published.items() for column in columns
    }
    assert set(config["column.include.list"].split(",")) == columns


async def test_the_documented_role_reads_what_is_published_and_nothing_else(
    source: Connection, postgres: EmbeddedPostgres, database_url: str
) -> None:
    text = (ROOT / "docs" / "cdc.md").read_text(encoding="utf-8")
    role = f"cdc_{uuid4().hex[:8]}"
    start = text.index("CREATE ROLE evently_cdc")
    sql = text[start : text.index("```", start)].replace("evently_cdc", role)
    await source.execute(sql)
    try:
        reader = await asyncpg.connect(database_url, user=role)
        for table, columns in (await published_columns(source)).items():
            await reader.fetch(f"SELECT {', '.join(columns)} FROM {table}")
        await reader.fetch(load(Statement.PAGE_SEARCH_DOCUMENTS), FIRST, PAGE)
        for secret in ("revenue FROM events", "email FROM admins", "caller FROM event_ledger"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await reader.fetch(f"SELECT {secret}")
        await reader.close()
    finally:
        await source.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def documented_statement() -> str:
    """The statement of docs/cdc.md that makes the publication."""
    text = (ROOT / "docs" / "cdc.md").read_text(encoding="utf-8")
    start = text.index("CREATE PUBLICATION evently_search")
    return text[start : text.index(";", start) + 1]
