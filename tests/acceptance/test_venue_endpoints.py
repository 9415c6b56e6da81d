"""Venues: create, list, change, delete."""

from uuid import uuid4

from tests.acceptance.expectations import VENUE, expect, fields_of, problems, unknown
from tests.acceptance.service import Service


async def test_a_venue_is_created_read_changed_and_deleted(service: Service) -> None:
    headers = await service.clients.admin()
    body = {
        "name": " Hall ",
        "address": "1 Street",
        "city": "Bergen",
        "state": "Vestland",
        "country": "Norway",
        "postal_code": "5003",
        "capacity": 800,
        "layout_config": {"rows": 20, "grid": [[1, 2.5], []]},
    }
    answer = await service.api.call("POST", "/api/v1/admin/venues", headers=headers, body=body)
    assert answer.status == 201
    assert fields_of(answer) == VENUE
    venue = answer.json
    assert {name: venue[name] for name in body} == body | {"name": "Hall"}
    path = f"/api/v1/admin/venues/{venue['venue_id']}"
    assert answer.headers["Location"] == path
    assert (await service.api.call("GET", path, headers=headers)).json == venue
    changes = {"name": "Great hall", "state": None, "created_by": "me"}
    answer = await service.api.call("PUT", path, headers=headers, body=changes)
    assert answer.status == 200
    assert (answer.json["name"], answer.json["state"]) == ("Great hall", None)
    assert answer.json["created_by"] == venue["created_by"]
    answer = await service.api.call("DELETE", path, headers=headers)
    assert (answer.status, answer.json) == (200, {"message": "Venue deleted"})
    expect(await service.api.call("GET", path, headers=headers), 404, "VENUE_NOT_FOUND")


async def test_a_venue_is_refused_with_every_field_that_is_wrong(service: Service) -> None:
    headers = await service.clients.admin()
    answer = await service.api.call("POST", "/api/v1/admin/venues", headers=headers, body={})
    assert problems(answer) == {
        f"body.{name}": f"{name} is required"
        for name in ("name", "address", "city", "country", "capacity")
    }
    venue = await service.clients.create_venue(headers)
    path = f"/api/v1/admin/venues/{venue['venue_id']}"
    for body, field in (
        ({}, "body"),
        ({"venue_id": unknown()}, "body"),
        ({"name": None}, "body.name"),
        ({"capacity": 2**31}, "body.capacity"),
        ({"layout_config": [1]}, "body.layout_config"),
    ):
        answer = await service.api.call("PUT", path, headers=headers, body=body)
        assert list(problems(answer)) == [field]
    assert (await service.api.call("GET", path, headers=headers)).json == venue


async def test_venues_are_listed_by_name_and_found_by_city_and_text(service: Service) -> None:
    headers = await service.clients.admin()
    city, word = f"City {uuid4().hex[:8]}", uuid4().hex[:8]
    await service.clients.create_venue(headers, name="B 100%", city=city)
    await service.clients.create_venue(
        headers, name="A", city=city.upper(), address=f"9 {word} Road"
    )
    await service.clients.create_venue(headers, name="C", city=f"New {city}")

    async def names(query: str) -> list[str]:
        answer = await service.api.call("GET", f"/api/v1/admin/venues?{query}", headers=headers)
        assert answer.status == 200, answer
        return [venue["name"] for venue in answer.json["venues"]]

    whole = city.replace(" ", "%20")
    assert await names(f"city={whole}") == ["A", "B 100%"]
    assert await names(f"search={whole}") == ["A", "B 100%", "C"]
    assert await names(f"search={word.upper()}") == ["A"]
    assert await names(f"city={whole}&search=100%25") == ["B 100%"]
    assert await names(f"city={whole}&search=_") == []
    assert await names(f"city={whole}&limit=1&page=2") == ["B 100%"]
    answer = await service.api.call("GET", f"/api/v1/admin/venues?city={whole}", headers=headers)
    assert fields_of(answer) == ["venues", "total", "page", "limit"]
    assert list(answer.json["venues"][0]) == VENUE


async def test_a_venue_in_use_is_neither_deleted_nor_made_too_small(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=500)
    event = await service.clients.create_event(headers, venue["venue_id"], total_capacity=400)
    path = f"/api/v1/admin/venues/{venue['venue_id']}"
    answer = await service.api.call("PUT", path, headers=headers, body={"capacity": 399})
    assert expect(answer, 409, "VENUE_IN_USE") == {
        "venue_id": venue["venue_id"],
        "capacity": 399,
        "event_id": event["event_id"],
        "total_capacity": 400,
    }
    answer = await service.api.call("PUT", path, headers=headers, body={"capacity": 400})
    assert (answer.status, answer.json["capacity"]) == (200, 400)
    # Also a cancelled event goes on naming its venue.
    await service.clients.cancel(headers, event)
    answer = await service.api.call("DELETE", path, headers=headers)
    assert expect(answer, 409, "VENUE_IN_USE") == {"venue_id": venue["venue_id"], "events": 1}


async def test_a_venue_is_its_creators_and_a_super_admins(service: Service) -> None:
    owner, other = await service.clients.admin(), await service.clients.register_admin()
    venue = await service.clients.create_venue(owner)
    path = f"/api/v1/admin/venues/{venue['venue_id']}"
    for method, body in (("PUT", {"name": "Mine"}), ("DELETE", None)):
        answer = await service.api.call(method, path, headers=other, body=body)
        assert expect(answer, 403, "UNAUTHORIZED") == {"venue_id": venue["venue_id"]}
    assert (await service.api.call("GET", path, headers=other)).json == venue
    event = await service.clients.create_event(other, venue["venue_id"])
    assert event["venue_id"] == venue["venue_id"]

    root = await service.clients.register_admin()
    await service.database.rows(
        "UPDATE admins SET role = 'super_admin'"
        " WHERE created_at = (SELECT max(created_at) FROM admins)"
    )
    changed = await service.api.call("PUT", path, headers=root, body={"name": "Ours"})
    assert (changed.status, changed.json["created_by"]) == (200, venue["created_by"])
