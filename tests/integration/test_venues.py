"""Venues on a real PostgreSQL: creating, finding, changing and deleting, also concurrently."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from multidict import CIMultiDict

from db.database import Database
from db.statements import Statement
from db.venue_store import VenueStore
from evently.domain.admins import Admin
from evently.domain.venues import (
    DeleteOutcome,
    DeleteVenue,
    UpdateOutcome,
    UpdateVenue,
    VenueDeleted,
    VenueInUse,
    VenueNotFound,
    VenueTooSmall,
    VenueUpdated,
)
from routes.caches.revision import LocalRevision
from routes.call import Call
from routes.contract import answers
from routes.contract.bodies import NewVenue, VenueChanges, VenueListQuery
from routes.contract.errors import ApiError, Code
from routes.contract.validation import read_body, read_query
from routes.handlers.venues import (
    create_venue,
    delete_venue,
    get_venue,
    list_venues,
    update_venue,
)

ADMIN = Admin(str(uuid4()), "admin")
REQUEST_ID = "request-1"
UNKNOWN = str(uuid4())
GARDEN = {
    "name": "Madison Square Garden",
    "address": "4 Pennsylvania Plaza",
    "city": "New York",
    "state": "NY",
    "country": "USA",
    "postal_code": "10001",
    "capacity": 20_000,
    "layout_config": {"sections": [{"name": "Floor", "rows": 40, "rake": 1.5}]},
}


class Setting:
    """The venues, a second connection to observe and interfere, and an admin's calls."""

    def __init__(self, database: Database, other: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.store = VenueStore(database)
        self.other = other
        self.revision = LocalRevision()

    def call(self, venue_id: str = "", *, body: Any = None, query: Any = None) -> Call:
        services = SimpleNamespace(venues=self.store, revision=self.revision)
        call = Call("GET", CIMultiDict(), cast(Any, services))
        call.params = {"venue_id": venue_id}
        call.request_id = REQUEST_ID
        call.admin = ADMIN
        call.body, call.query = body, query
        return call

    async def create(self, **fields: Any) -> answers.Venue:
        body = read_body(NewVenue, {**GARDEN, **fields})
        return await create_venue(self.call(body=body))

    async def put(self, venue_id: str, body: dict[str, Any]) -> answers.Venue:
        return await update_venue(self.call(venue_id, body=read_body(VenueChanges, body)))

    async def update(self, venue_id: str, changes: dict[str, Any]) -> UpdateOutcome:
        command = UpdateVenue(venue_id, ADMIN, changes)
        return await self.store.update(command, ADMIN.caller, REQUEST_ID)

    async def delete(self, venue_id: str) -> DeleteOutcome:
        return await self.store.delete(DeleteVenue(venue_id, ADMIN), ADMIN.caller, REQUEST_ID)

    async def names(self, **query: str) -> list[str]:
        return [venue.name for venue in (await self.page(**query)).venues]

    async def page(self, **query: str) -> answers.VenueList:
        return await list_venues(self.call(query=read_query(VenueListQuery, query)))

    async def add_event(
        self, venue_id: str, capacity: int, starts: str = "1 day", status: str = "draft"
    ) -> str:
        event_id = str(uuid4())
        await self.other.execute(ADD_EVENT, event_id, venue_id, capacity, starts, status)
        return event_id

    async def audit(self) -> list[asyncpg.Record]:
        return await self.other.fetch("SELECT * FROM admin_audit ORDER BY audit_id")

    async def until_a_statement_waits(self) -> None:
        async with asyncio.timeout(5):
            while not await self.other.fetchval(WAITING):
                await asyncio.sleep(0)


ADD_EVENT = """
INSERT INTO events (event_id, name, description, venue_id, event_type, start_datetime,
                    end_datetime, total_capacity, available_seats, base_price,
                    max_tickets_per_booking, status, version, terms_version, created_by)
VALUES ($1, 'Night', '', $2, 'concert', now() + $4::text::interval,
        now() + $4::text::interval + interval '2 hours', $3, $3, 25.5, 10, $5, 1, 1, $1)
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def setting(database_url: str) -> AsyncIterator[Setting]:
    other = await asyncpg.connect(database_url)
    async with Database(database_url) as database:
        yield Setting(database, other)
    await other.close()


async def test_a_created_venue_is_found_as_answered(setting: Setting) -> None:
    created = await setting.create()
    found = await get_venue(setting.call(created.venue_id))
    assert found == created
    assert {name: getattr(found, name) for name in GARDEN} == GARDEN
    assert found.created_by == ADMIN.admin_id


async def test_optional_fields_may_be_left_out(setting: Setting) -> None:
    given = {name: GARDEN[name] for name in ("name", "address", "city", "country", "capacity")}
    created = await create_venue(setting.call(body=read_body(NewVenue, given)))
    assert (created.state, created.postal_code, created.layout_config) == (None, None, None)


async def test_the_answer_has_the_location_of_the_venue(setting: Setting) -> None:
    call = setting.call(body=read_body(NewVenue, GARDEN))
    created = await create_venue(call)
    assert call.headers["Location"] == f"/api/v1/admin/venues/{created.venue_id}"


async def test_an_unknown_venue_is_not_found(setting: Setting) -> None:
    attempts = (
        get_venue(setting.call(UNKNOWN)),
        delete_venue(setting.call(UNKNOWN)),
        setting.put(UNKNOWN, {"name": "X"}),
    )
    for attempt in attempts:
        with pytest.raises(ApiError) as caught:
            await attempt
        assert (caught.value.code, caught.value.status) == (Code.VENUE_NOT_FOUND, 404)
    assert not await setting.audit()


async def test_venues_are_listed_by_name_in_pages(setting: Setting) -> None:
    for name in ("C", "A", "B", "B"):
        await setting.create(name=name)
    assert await setting.names() == ["A", "B", "B", "C"]
    first, second = [await setting.page(limit="2", page=page) for page in ("1", "2")]
    assert (first.total, second.total, second.page, second.limit) == (4, 4, 2, 2)
    ids = [venue.venue_id for venue in (*first.venues, *second.venues)]
    assert len(set(ids)) == 4
    assert await setting.names(page="3", limit="2") == []
    assert (await setting.page(page="999999999", limit="100")).total == 4


async def test_a_city_matches_whole_and_in_any_case(setting: Setting) -> None:
    await setting.create(name="Garden")
    await setting.create(name="Hall", city="York")
    assert await setting.names(city="nEW yORK") == ["Garden"]
    assert await setting.names(city="york") == ["Hall"]
    assert await setting.names(city="New") == []
    assert await setting.names(city="") == ["Garden", "Hall"]


ALIKE = [
    ("L\u2019Aquila", "l'aquila"),
    ("Besan\u00e7on", "BESANC\u0327ON"),
    ("Gro\u00dfstadt", "GROSSSTADT"),
    ("\u03a3\u03cd\u03c1\u03bf\u03c2", "\u03a3\u03a5\u0301\u03a1\u039f\u03a3"),
    ("Stratford\u2011upon\u2011Avon", "Stratford-upon-Avon"),
    ("New\u00a0York", "new york"),
]


@pytest.mark.parametrize(("stored", "typed"), [*ALIKE, *((b, a) for a, b in ALIKE)])
async def test_the_service_itself_says_which_texts_are_the_same(
    setting: Setting, stored: str, typed: str
) -> None:
    await setting.create(name="Other", city="Oslo", address="1 Street")
    await setting.create(name="Hall", city=stored)
    assert await setting.names(city=typed) == ["Hall"]
    assert await setting.names(search=typed[1:]) == ["Hall"]


async def test_a_venue_is_found_by_its_new_texts_after_a_change(setting: Setting) -> None:
    created = await setting.create(name="Hall", city="Oslo")
    await setting.put(created.venue_id, {"name": "\u00c5rhus Hall", "city": "\u00c5RHUS"})
    assert await setting.names(city="a\u030arhus") == ["\u00c5rhus Hall"]
    assert await setting.names(city="oslo") == []


async def test_texts_are_stored_in_one_form(setting: Setting) -> None:
    created = await setting.create(name="Besanc\u0327on", city="Besanc\u0327on")
    assert (created.name, created.city) == ("Besan\u00e7on", "Besan\u00e7on")


async def test_venues_are_listed_as_a_person_sorts(setting: Setting) -> None:
    for name in ("zoo", "Zenith", "arena", "Bowl", "Zoo 2"):
        await setting.create(name=name)
    assert await setting.names() == ["arena", "Bowl", "Zenith", "zoo", "Zoo 2"]


@pytest.mark.parametrize("search", ["madison", "PENNSYLVANIA", "new york", "SQUARE g", "4 p"])
async def test_a_search_matches_any_part_of_name_address_or_city(
    setting: Setting, search: str
) -> None:
    await setting.create()
    await setting.create(name="Hall", address="1 Street", city="Oslo")
    found = await setting.page(search=search)
    assert ([venue.name for venue in found.venues], found.total) == ([GARDEN["name"]], 1)


async def test_city_and_search_narrow_each_other(setting: Setting) -> None:
    await setting.create(name="Garden", city="Oslo")
    await setting.create(name="Garden", city="Bergen")
    await setting.create(name="Hall", city="Oslo")
    assert (await setting.page(city="oslo", search="garden")).total == 1


@pytest.mark.parametrize("literal", ["%", "_", "\\", "100%_\\", "' OR 1=1 --", '"', "$1", ";"])
async def test_wildcards_quotes_and_sql_are_only_text(setting: Setting, literal: str) -> None:
    await setting.create(name=f"Room {literal} A")
    await setting.create(name="Plain", city="Oslo", address="1 Street")
    await setting.create(name="Other", city=f"Town{literal}", address="1 Street")
    found = set(await setting.names(search=literal))
    assert found == {f"Room {literal} A", "Other"}
    assert await setting.names(city=f"TOWN{literal}") == ["Other"]
    assert await setting.names(city=literal) == []


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "1e3"},
        {"page": "0x10"},
        {"page": "\uff11"},
        {"page": "1_000"},
        {"page": "+1"},
        {"page": " 1"},
        {"page": ""},
        {"page": "1" * 20},
        {"limit": "0"},
        {"limit": "1.0"},
        {"limit": "\u0661"},
        {"search": "x" * 10_240},
        {"city": "x" * 10_240},
        {"search": "\0"},
        {"city": "a\0b"},
    ],
)
async def test_a_bad_parameter_is_refused(setting: Setting, query: dict[str, str]) -> None:
    with pytest.raises(ApiError) as caught:
        await setting.page(**query)
    assert (caught.value.code, caught.value.status) == (Code.VALIDATION_ERROR, 400)
    assert caught.value.details["fields"][0]["field"] == f"query.{next(iter(query))}"


async def test_a_limit_over_the_bound_is_lowered_to_it_and_answered(setting: Setting) -> None:
    assert (await setting.page(limit="101")).limit == 100


async def test_an_update_sets_the_fields_it_names_and_no_others(setting: Setting) -> None:
    created = await setting.create()
    changed = await setting.put(created.venue_id, {"name": "MSG", "unknown": 1})
    assert changed.name == "MSG"
    assert changed.updated_at > created.updated_at
    rest = set(GARDEN) - {"name"}
    assert {name: getattr(changed, name) for name in rest} == {name: GARDEN[name] for name in rest}
    assert await get_venue(setting.call(created.venue_id)) == changed


async def test_null_removes_an_optional_field(setting: Setting) -> None:
    created = await setting.create()
    nothing = {"state": None, "postal_code": None, "layout_config": None}
    changed = await setting.put(created.venue_id, nothing)
    assert (changed.state, changed.postal_code, changed.layout_config) == (None, None, None)
    assert changed.name == created.name


@pytest.mark.parametrize("field", ["name", "address", "city", "country", "capacity"])
async def test_null_does_not_remove_a_required_field(setting: Setting, field: str) -> None:
    created = await setting.create()
    with pytest.raises(ApiError) as caught:
        await setting.put(created.venue_id, {field: None, "state": "NJ"})
    problem = {"field": f"body.{field}", "message": f"{field} is required"}
    assert caught.value.details == {"fields": [problem]}
    assert await get_venue(setting.call(created.venue_id)) == created


@pytest.mark.parametrize("body", [{}, {"unknown": 1}, {"venue_id": UNKNOWN, "created_by": "me"}])
async def test_an_update_without_a_known_field_is_refused(setting: Setting, body: Any) -> None:
    created = await setting.create()
    with pytest.raises(ApiError) as caught:
        await setting.put(created.venue_id, body)
    assert (caught.value.code, caught.value.status) == (Code.VALIDATION_ERROR, 400)


async def test_a_venue_sent_back_as_answered_changes_nothing(setting: Setting) -> None:
    created = await setting.create()
    sent = {name: getattr(created, name) for name in (*GARDEN, "venue_id", "created_by")}
    assert await setting.put(created.venue_id, sent) == created
    assert [row["action"] for row in await setting.audit()] == ["venue_created"]


async def test_a_deleted_venue_is_gone(setting: Setting) -> None:
    created = await setting.create()
    answer = await delete_venue(setting.call(created.venue_id))
    assert answer.message == "Venue deleted"
    assert await setting.store.get(created.venue_id) is None


@pytest.mark.parametrize("status", ["draft", "published", "cancelled"])
async def test_a_venue_named_by_any_event_is_not_deleted(setting: Setting, status: str) -> None:
    created = await setting.create()
    await setting.add_event(created.venue_id, 10, "-30 days", status)
    with pytest.raises(ApiError) as caught:
        await delete_venue(setting.call(created.venue_id))
    assert (caught.value.code, caught.value.status) == (Code.VENUE_IN_USE, 409)
    assert caught.value.details == {"venue_id": created.venue_id, "events": 1}
    assert await get_venue(setting.call(created.venue_id)) == created
    assert [row["action"] for row in await setting.audit()] == ["venue_created"]


async def test_the_capacity_can_shrink_to_the_largest_coming_event(setting: Setting) -> None:
    created = await setting.create()
    await setting.add_event(created.venue_id, 300)
    event_id = await setting.add_event(created.venue_id, 500)
    with pytest.raises(ApiError) as caught:
        await setting.put(created.venue_id, {"capacity": 499, "name": "Small"})
    assert (caught.value.code, caught.value.status) == (Code.VENUE_IN_USE, 409)
    assert caught.value.details == {
        "venue_id": created.venue_id,
        "capacity": 499,
        "event_id": event_id,
        "total_capacity": 500,
    }
    assert await get_venue(setting.call(created.venue_id)) == created
    assert (await setting.put(created.venue_id, {"capacity": 500})).capacity == 500


async def test_events_that_are_over_or_cancelled_need_no_room(setting: Setting) -> None:
    created = await setting.create()
    await setting.add_event(created.venue_id, 500, "-1 day", "published")
    await setting.add_event(created.venue_id, 500, "1 day", "cancelled")
    other = await setting.create()
    await setting.add_event(other.venue_id, 500)
    assert (await setting.put(created.venue_id, {"capacity": 1})).capacity == 1


async def test_an_event_that_is_on_now_needs_its_room(setting: Setting) -> None:
    created = await setting.create()
    await setting.add_event(created.venue_id, 500, "-1 hour", "published")
    outcome = await setting.update(created.venue_id, {"capacity": 499})
    assert isinstance(outcome, VenueTooSmall)


async def test_every_change_is_audited_with_its_author_and_values(setting: Setting) -> None:
    created = await setting.create()
    await setting.put(created.venue_id, {"capacity": 19_000, "city": "New York"})
    await delete_venue(setting.call(created.venue_id))
    rows = await setting.audit()
    assert [(row["action"], row["details"]) for row in map(_decoded, rows)] == [
        ("venue_created", {"name": GARDEN["name"]}),
        ("venue_updated", {"capacity": {"from": 20_000, "to": 19_000}}),
        ("venue_deleted", {"name": GARDEN["name"]}),
    ]
    audited = {(row["caller"], row["request_id"], str(row["subject_id"])) for row in rows}
    assert audited == {(ADMIN.caller, REQUEST_ID, created.venue_id)}


async def test_the_revision_is_raised_before_a_change_is_answered(setting: Setting) -> None:
    created = await setting.create()
    before = setting.revision.current()
    await setting.put(created.venue_id, {"name": "MSG"})
    changed = setting.revision.current()
    await delete_venue(setting.call(created.venue_id))
    assert before < changed < setting.revision.current()


async def test_an_event_being_created_keeps_its_venue_from_deletion(setting: Setting) -> None:
    created = await setting.create()
    async with setting.other.transaction():
        await setting.add_event(created.venue_id, 10)
        deleting = asyncio.create_task(setting.delete(created.venue_id))
        await setting.until_a_statement_waits()
    assert await deleting == VenueInUse(1)
    assert await setting.store.get(created.venue_id) is not None


async def test_an_event_cannot_be_created_at_a_venue_being_deleted(
    setting: Setting, database_url: str
) -> None:
    created = await setting.create()
    async with Database(database_url) as database, database.transaction() as session:
        await session.fetchrow(Statement.DELETE_VENUE, created.venue_id)
        adding = asyncio.create_task(setting.add_event(created.venue_id, 10))
        watcher = await asyncpg.connect(database_url)
        async with asyncio.timeout(5):
            while not await watcher.fetchval(WAITING):
                await asyncio.sleep(0)
        await watcher.close()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await adding
    assert await setting.other.fetchval("SELECT count(*) FROM events") == 0


async def test_shrinking_waits_for_an_event_being_created(
    setting: Setting,
) -> None:
    created = await setting.create()
    lock = "SELECT capacity FROM venues WHERE venue_id = $1 FOR SHARE"
    async with setting.other.transaction():
        await setting.other.fetchval(lock, created.venue_id)
        event_id = await setting.add_event(created.venue_id, 500)
        change = setting.update(created.venue_id, {"capacity": 100})
        shrinking = asyncio.create_task(change)
        await setting.until_a_statement_waits()
    assert await shrinking == VenueTooSmall(100, event_id, 500)


async def test_no_concurrent_update_is_lost(setting: Setting) -> None:
    created = await setting.create()
    await asyncio.gather(
        *(
            setting.update(created.venue_id, {field: to})
            for field, to in (("name", "MSG"), ("address", "7th Avenue"), ("state", None))
        )
    )
    found = await setting.store.get(created.venue_id)
    assert found is not None
    assert (found.name, found.address, found.state) == ("MSG", "7th Avenue", None)


async def test_of_two_concurrent_deletes_one_finds_nothing(setting: Setting) -> None:
    created = await setting.create()
    outcomes = await asyncio.gather(*(setting.delete(created.venue_id) for _ in range(2)))
    assert sorted(outcomes, key=repr) == [VenueDeleted(), VenueNotFound()]


async def test_a_cancelled_update_leaves_nothing_behind(setting: Setting) -> None:
    created = await setting.create()
    async with setting.other.transaction():
        await setting.other.execute("SELECT FROM venues FOR UPDATE")
        changing = asyncio.create_task(setting.put(created.venue_id, {"name": "MSG"}))
        await setting.until_a_statement_waits()
        changing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await changing
    assert await get_venue(setting.call(created.venue_id)) == created
    after = await setting.update(created.venue_id, {"name": "Again"})
    assert isinstance(after, VenueUpdated)


def _decoded(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "details": json.loads(row["details"])}
