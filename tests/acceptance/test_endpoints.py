"""Every endpoint, over real sockets: what a success looks like, field by field, and each error."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.service import Service, from_now
from tests.acceptance.service_api import Answer
from tests.acceptance.service_clients import new_event
from tests.until import until

IN_LIST = [
    *("event_id", "name", "event_type", "venue_id", "venue_name", "venue_city"),
    *("start_datetime", "end_datetime", "total_capacity", "available_seats"),
    *("base_price", "max_tickets_per_booking", "status", "version"),
]
IN_DETAIL = [*IN_LIST, "description", "datetime", "venue"]
FOR_ADMIN = ["created_by", "created_at", "updated_at"]
VENUE = [
    *("venue_id", "name", "address", "city", "state", "country", "postal_code"),
    *("capacity", "layout_config"),
]
BAD_ID = "not-a-uuid"
MOVE = "/internal/events/{event_id}/update-availability"


def unknown() -> str:
    return str(uuid4())


def fields_of(answer: Answer) -> list[str]:
    return list(answer.json)


def problems(answer: Answer) -> dict[str, str]:
    """The bad fields of a 400, with what is wrong."""
    assert answer.status == 400, answer
    assert answer.code == "VALIDATION_ERROR"
    return {found["field"]: found["message"] for found in answer.details["fields"]}


def expect(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The details of the error that is expected."""
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert list(answer.json) == ["error"]
    assert list(answer.json["error"]) == ["code", "message", "details", "timestamp"]
    assert answer.json["error"]["timestamp"].endswith("Z")
    return answer.details


# Registration, login, tokens


def registration(**over: Any) -> dict[str, Any]:
    return {
        "email": f"{uuid4().hex}@example.org",
        "password": "correct horse",
        "name": "Grace",
    } | over


REGISTER, LOGIN = "/api/v1/auth/admin/register", "/api/v1/auth/admin/login"
REFRESH, LOGOUT = "/api/v1/auth/admin/refresh", "/api/v1/auth/admin/logout"


async def test_registration_answers_the_admin_with_tokens(service: Service) -> None:
    body = registration(phone_number="+14155550100", permissions=["everything"], is_active=False)
    answer = await service.api.call("POST", REGISTER, body=body)
    assert answer.status == 201
    assert fields_of(answer) == ["admin_id", "email", "name", "access_token", "refresh_token"]
    assert answer.json["email"] == body["email"]
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"bearer {answer.json['access_token']}"}
    assert (await service.api.call("GET", "/api/v1/admin/events", headers=headers)).status == 200


async def test_a_new_admin_is_an_event_manager_unless_another_role_is_asked_for(
    service: Service,
) -> None:
    for role in ("event_manager", "admin"):
        body = registration() | ({"role": role} if role == "admin" else {})
        await service.api.call("POST", REGISTER, body=body)
        login = {"email": body["email"].upper(), "password": body["password"]}
        answer = await service.api.call("POST", LOGIN, body=login)
        assert answer.status == 200
        assert fields_of(answer) == [
            *("admin_id", "access_token", "refresh_token", "role", "permissions")
        ]
        assert answer.json["role"] == role
        assert "events:create" in answer.json["permissions"]


async def test_nobody_registers_as_a_super_admin(service: Service) -> None:
    body = registration(role="super_admin")
    headers = await service.clients.admin()
    expect(await service.api.call("POST", REGISTER, body=body), 403, "UNAUTHORIZED")
    expect(
        await service.api.call("POST", REGISTER, body=body, headers=headers), 403, "UNAUTHORIZED"
    )


async def test_an_email_registers_once_whatever_its_case(service: Service) -> None:
    body = registration()
    await service.api.call("POST", REGISTER, body=body)
    answer = await service.api.call("POST", REGISTER, body=body | {"email": body["email"].upper()})
    expect(answer, 409, "EMAIL_ALREADY_EXISTS")
    assert "already exists" in answer.json["error"]["message"]


async def test_a_registration_says_which_fields_are_missing_or_bad(service: Service) -> None:
    assert problems(await service.api.call("POST", REGISTER, body={})) == {
        "body.email": "email is required",
        "body.password": "password is required",
        "body.name": "name is required",
    }
    body = registration(email="nobody", password="short", phone_number="call me", role="king")
    found = problems(await service.api.call("POST", REGISTER, body=body))
    assert found.keys() == {"body.email", "body.password", "body.phone_number", "body.role"}
    assert "bcrypt" in found["body.password"]


async def test_too_many_registrations_of_one_email_have_to_wait(service: Service) -> None:
    body = registration()
    for _ in range(30):
        await service.api.call("POST", REGISTER, body=body)
    answer = await service.api.call("POST", REGISTER, body=body)
    expect(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(service: Service) -> None:
    body = registration()
    await service.api.call("POST", REGISTER, body=body)
    said = set()
    for email in (body["email"], f"{uuid4().hex}@example.org"):
        login = {"email": email, "password": "wrong horse"}
        answer = await service.api.call("POST", LOGIN, body=login)
        assert expect(answer, 401, "UNAUTHORIZED") == {}
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        said.add(answer.json["error"]["message"])
    assert len(said) == 1


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_login(service: Service) -> None:
    first = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answer = await service.api.call("POST", REFRESH, body={"refresh_token": first})
    assert answer.status == 200
    assert fields_of(answer) == ["access_token", "refresh_token"]
    second = answer.json["refresh_token"]
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert (await service.api.call("GET", "/api/v1/admin/events", headers=headers)).status == 200
    for token in (first, second, "made up"):
        answer = await service.api.call("POST", REFRESH, body={"refresh_token": token})
        expect(answer, 401, "UNAUTHORIZED")


async def test_of_eight_uses_of_a_refresh_token_at_once_one_wins(service: Service) -> None:
    token = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answers = await asyncio.gather(
        *(
            service.api.call("POST", REFRESH, body={"refresh_token": token}, fresh=True)
            for _ in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7


async def test_logout_ends_the_login(service: Service) -> None:
    token = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answer = await service.api.call("POST", LOGOUT, body={"refresh_token": token})
    assert answer.json == {"message": "Logged out"}
    answer = await service.api.call("POST", REFRESH, body={"refresh_token": token})
    expect(answer, 401, "UNAUTHORIZED")
    answer = await service.api.call("POST", LOGOUT, body={"refresh_token": "made up"})
    expect(answer, 401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Basic YWRhOmFkYQ==", "Bearer made.up.token", "made up"]
)
async def test_admin_endpoints_take_an_access_token_only(
    service: Service, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    event, venue = f"/api/v1/admin/events/{unknown()}", f"/api/v1/admin/venues/{unknown()}"
    for method, path in (
        *(("GET", "/api/v1/admin/events"), ("POST", "/api/v1/admin/events")),
        *(("GET", event), ("PUT", event), ("DELETE", event)),
        *(("GET", f"{event}/analytics"), ("GET", f"{event}/history")),
        *(("GET", "/api/v1/admin/venues"), ("POST", "/api/v1/admin/venues")),
        *(("GET", venue), ("PUT", venue), ("DELETE", venue)),
    ):
        answer = await service.api.call(method, path, headers=headers)
        expect(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


# Public events


async def test_the_public_list_shows_events_on_sale(service: Service) -> None:
    event_type = f"type {uuid4().hex}"
    for hour in (3, 1, 2):
        await service.clients.published_event(
            event_type=event_type,
            start_datetime=f"2035-06-01T0{hour}:00:00Z",
            end_datetime="2035-06-01T09:00:00+02:00",
        )
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    await service.clients.create_event(headers, venue["venue_id"], event_type=event_type)
    path = f"/api/v1/events?limit=2&type={event_type.replace(' ', '%20')}"
    answer = await service.api.call("GET", path)
    assert answer.status == 200
    assert fields_of(answer) == ["events", "total", "page", "limit", "has_more"]
    assert list(answer.json["events"][0]) == IN_LIST
    assert [event["start_datetime"][11:13] for event in answer.json["events"]] == ["01", "02"]
    rest = {name: to for name, to in answer.json.items() if name != "events"}
    assert rest == {"total": 3, "page": 1, "limit": 2, "has_more": True}
    answer = await service.api.call("GET", path.replace("type=", "page=2&event_type="))
    assert len(answer.json["events"]) == 1
    assert answer.json["events"][0]["end_datetime"] == "2035-06-01T07:00:00Z"
    assert answer.json["events"][0]["base_price"] == 25.5
    assert not answer.json["has_more"]


async def test_the_public_list_filters_by_city_and_by_date(service: Service) -> None:
    headers = await service.clients.admin()
    city = f"Città {uuid4().hex[:8]}"
    venue = await service.clients.create_venue(headers, city=city)
    for day in (1, 2, 3):
        await service.clients.publish(
            headers,
            await service.clients.create_event(
                headers,
                venue["venue_id"],
                start_datetime=f"2036-01-0{day}T20:00:00Z",
                end_datetime=f"2036-01-0{day}T22:00:00Z",
            ),
        )

    async def days(query: str) -> list[str]:
        in_city = city.upper().replace(" ", "%20").replace("À", "%C3%80")
        answer = await service.api.call("GET", f"/api/v1/events?city={in_city}{query}")
        return [event["start_datetime"][9:10] for event in answer.json["events"]]

    assert await days("") == ["1", "2", "3"]
    assert await days("&date_from=2036-01-02") == ["2", "3"]
    assert await days("&date_to=2036-01-02") == ["1", "2"]
    assert await days("&date_from=2036-01-02T21:00:00Z") == ["3"]
    assert await days("&date_from=2036-01-02&date_to=2036-01-02") == ["2"]
    assert await days("&type=opera") == []


async def test_the_public_list_refuses_what_it_does_not_understand(service: Service) -> None:
    for query, field in (
        ("page=0", "query.page"),
        ("limit=ten", "query.limit"),
        ("page=1&page=2", "query.page"),
        ("date_from=tomorrow", "query.date_from"),
        ("date_to=2036-02-30", "query.date_to"),
    ):
        answer = await service.api.call("GET", f"/api/v1/events?{query}")
        assert list(problems(answer)) == [field]
    answer = await service.api.call("GET", "/api/v1/events?date_from=2036-02-02&date_to=2036-02-01")
    assert problems(answer) == {"query": "date_from must not be after date_to"}
    answer = await service.api.call("GET", "/api/v1/events?limit=1000")
    assert answer.json["limit"] == 100


async def test_a_list_that_is_the_same_answers_304(service: Service) -> None:
    path = f"/api/v1/events?type={uuid4().hex}"
    answer = await service.api.call("GET", path)
    etag = answer.headers["ETag"]
    assert answer.headers["Cache-Control"] == "public, max-age=1"
    same = await service.api.call("GET", path, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", etag)
    other = await service.api.call("GET", path, headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_an_event_is_answered_with_its_venue(service: Service) -> None:
    headers = await service.clients.admin()
    layout = {"rows": [1, 2], "note": "<b>"}
    venue = await service.clients.create_venue(
        headers, name="Hall <1>", state="Viken", postal_code="0150", layout_config=layout
    )
    event = await service.clients.publish(
        headers, await service.clients.create_event(headers, venue["venue_id"])
    )
    answer = await service.api.call("GET", f"/api/v1/events/{event['event_id']}")
    assert answer.status == 200
    assert fields_of(answer) == IN_DETAIL
    assert list(answer.json["venue"]) == VENUE
    assert answer.json["venue"] == {name: venue[name] for name in VENUE}
    assert answer.json["datetime"] == answer.json["start_datetime"] == "2035-06-01T20:00:00Z"
    assert answer.json["description"] == "A night to remember"
    assert answer.json["status"] == "published"
    assert b"Hall \\u003c1>" in answer.body
    assert (
        await service.api.call("GET", f"/api/v1/events/{event['event_id'].upper()}")
    ).status == 200


async def test_availability_follows_every_move(service: Service) -> None:
    event = await service.clients.published_event(total_capacity=2)
    path = f"/api/v1/events/{event['event_id']}/availability"
    answer = await service.api.call("GET", path)
    assert fields_of(answer) == ["available_seats", "status", "last_updated"]
    assert answer.json["available_seats"] == 2
    first = answer.json["last_updated"]
    await service.clients.reserve(event["event_id"], 2)
    answer = await service.api.call("GET", path)
    assert (answer.json["available_seats"], answer.json["status"]) == (0, "sold_out")
    assert answer.json["last_updated"] > first
    await service.clients.move(event["event_id"], 1)
    answer = await service.api.call("GET", path)
    assert (answer.json["available_seats"], answer.json["status"]) == (1, "published")


async def test_a_draft_is_unknown_to_the_public_and_to_the_booking_service(
    service: Service,
) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    draft = (await service.clients.create_event(headers, venue["venue_id"]))["event_id"]
    for event_id in (draft, unknown()):
        for path in (f"/api/v1/events/{event_id}", f"/api/v1/events/{event_id}/availability"):
            details = expect(await service.api.call("GET", path), 404, "EVENT_NOT_FOUND")
            assert details == {"event_id": event_id}
        answer = await service.api.call(
            "GET", f"/internal/events/{event_id}", headers=service.api.internal
        )
        expect(answer, 404, "EVENT_NOT_FOUND")
        expect(await service.clients.reserve(event_id, 1), 404, "EVENT_NOT_FOUND")
        expect(
            await service.clients.move(event_id, 1, endpoint="return-seats"), 404, "EVENT_NOT_FOUND"
        )


# Admin events


async def test_an_event_begins_as_a_draft_of_version_1(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=100)
    body = new_event(
        venue["venue_id"], base_price=0.1, status="published", version=7, available_seats=3
    )
    del body["max_tickets_per_booking"]
    answer = await service.api.call("POST", "/api/v1/admin/events", headers=headers, body=body)
    assert answer.status == 201
    assert fields_of(answer) == [*IN_DETAIL, *FOR_ADMIN]
    event = answer.json
    assert (event["status"], event["version"]) == ("draft", 1)
    assert event["available_seats"] == event["total_capacity"] == 100
    assert event["max_tickets_per_booking"] == 10
    assert b'"base_price":0.1,' in answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    path = f"/api/v1/admin/events/{event['event_id']}"
    assert (await service.api.call("GET", path, headers=headers)).json == event


async def test_a_new_event_is_refused_with_every_field_that_is_wrong(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=50)

    async def refused(body: Any) -> dict[str, str]:
        answer = await service.api.call("POST", "/api/v1/admin/events", headers=headers, body=body)
        return problems(answer)

    needed = ("name", "venue_id", "event_type", "start_datetime", "end_datetime")
    assert await refused({}) == {
        f"body.{name}": f"{name} is required" for name in (*needed, "total_capacity", "base_price")
    }
    bad = {
        "name": " ",
        "venue_id": "7",
        "start_datetime": "2035-06-01T20:00:00",
        "total_capacity": 0,
        "base_price": 19.999,
        "max_tickets_per_booking": True,
    }
    found = await refused(new_event(venue["venue_id"]) | bad)
    assert found.keys() == {f"body.{name}" for name in bad}
    assert found["body.name"] == "name is required"
    assert await refused(new_event(unknown())) == {"body.venue_id": "venue does not exist"}
    too_large = await refused(new_event(venue["venue_id"], total_capacity=51))
    assert list(too_large) == ["body.total_capacity"]
    past = await refused(new_event(venue["venue_id"], start_datetime="2020-01-01T00:00:00Z"))
    assert list(past) == ["body.start_datetime"]
    backwards = new_event(venue["venue_id"], end_datetime="2035-06-01T20:00:00Z")
    assert await refused(backwards) == {"body": "end_datetime must be after start_datetime"}
    assert await refused([1]) == {"body": "body must be a JSON object"}


async def test_an_update_answers_the_event_with_its_next_version(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    event = await service.clients.create_event(headers, venue["venue_id"])
    answer = await service.clients.change(
        headers, event, name="Late night", base_price=30, total_capacity=150
    )
    assert answer.status == 200
    assert fields_of(answer) == [*IN_DETAIL, *FOR_ADMIN]
    changed = answer.json
    assert changed["version"] == 2
    assert (changed["name"], changed["base_price"]) == ("Late night", 30)
    assert changed["available_seats"] == changed["total_capacity"] == 150
    assert changed["description"] == event["description"]
    # What was answered may be sent back as it is, with what is to change.
    sent_back = changed | {"description": ""}
    del sent_back["available_seats"]
    answer = await service.clients.change(headers, changed, **sent_back)
    assert answer.status == 200, answer
    assert answer.json["description"] == ""
    other = await service.clients.create_venue(headers, name="Other")
    answer = await service.clients.change(headers, answer.json, venue_id=other["venue_id"])
    assert answer.json["venue"]["name"] == answer.json["venue_name"] == "Other"
    published = await service.clients.publish(headers, answer.json)
    assert (published["status"], published["version"]) == ("published", 5)


async def test_a_refused_update_changes_nothing(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=100)
    event = await service.clients.create_event(headers, venue["venue_id"], total_capacity=10)
    path = f"/api/v1/admin/events/{event['event_id']}"

    async def put(body: Any) -> Answer:
        return await service.api.call("PUT", path, headers=headers, body=body)

    assert problems(await put({"name": "X"})) == {"body.version": "version is required"}
    assert list(problems(await put({"version": 1}))) == ["body"]
    assert list(problems(await put({"version": 1, "what": 1}))) == ["body"]
    written = problems(await put({"version": 1, "available_seats": 5}))
    assert "cannot be written" in written["body.available_seats"]
    assert list(problems(await put({"version": 1, "total_capacity": 101}))) == [
        "body.total_capacity"
    ]
    stale = await put({"version": 2, "name": "X"})
    assert expect(stale, 409, "CONCURRENT_UPDATE") == {
        "event_id": event["event_id"],
        "expected_version": 2,
        "current_version": 1,
        "available_seats": 10,
        "status": "draft",
    }
    expect(await put({"version": 1, "status": "sold_out"}), 409, "INVALID_STATUS_TRANSITION")
    assert (await service.api.call("GET", path, headers=headers)).json == event


async def test_the_capacity_cannot_go_under_what_is_sold(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=10)
    moved = (await service.clients.reserve(event["event_id"], 6)).json
    answer = await service.clients.change(headers, event | moved, total_capacity=5)
    assert expect(answer, 409, "CAPACITY_BELOW_SOLD") == {
        "event_id": event["event_id"],
        "total_capacity": 5,
        "sold": 6,
    }
    answer = await service.clients.change(headers, event | moved, total_capacity=6)
    assert (answer.json["available_seats"], answer.json["status"]) == (0, "sold_out")


async def test_cancelling_takes_the_version_in_the_body_or_in_the_query(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    for how in ("body", "query"):
        event = await service.clients.create_event(headers, venue["venue_id"])
        path = f"/api/v1/admin/events/{event['event_id']}"
        answer = await service.api.call("DELETE", path, headers=headers)
        assert problems(answer) == {"body.version": "version is required"}
        if how == "body":
            answer = await service.clients.cancel(headers, event)
        else:
            answer = await service.api.call("DELETE", f"{path}?version=1", headers=headers)
        assert answer.status == 200
        assert answer.json == {
            "message": "Event cancelled",
            "event_id": event["event_id"],
            "version": 2,
        }
        assert fields_of(answer)[:2] == ["message", "event_id"]
        assert (await service.api.call("GET", path, headers=headers)).json["status"] == "cancelled"


async def test_an_admin_lists_his_own_events(service: Service) -> None:
    headers = await service.clients.register_admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(headers, venue["venue_id"])
    await service.clients.publish(
        headers, await service.clients.create_event(headers, venue["venue_id"])
    )
    answer = await service.api.call("GET", "/api/v1/admin/events?limit=1", headers=headers)
    assert fields_of(answer) == ["events", "total", "page", "limit"]
    assert list(answer.json["events"][0]) == [*IN_LIST, *FOR_ADMIN]
    assert (answer.json["total"], answer.json["page"], answer.json["limit"]) == (2, 1, 1)
    answer = await service.api.call("GET", "/api/v1/admin/events?status=draft", headers=headers)
    assert [event["event_id"] for event in answer.json["events"]] == [draft["event_id"]]
    answer = await service.api.call("GET", "/api/v1/admin/events?status=new", headers=headers)
    assert list(problems(answer)) == ["query.status"]


async def test_analytics_add_up_what_was_sold(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=30, base_price=9.99)
    event_id = event["event_id"]
    await service.clients.reserve(event_id, 3)
    await service.clients.move(event_id, 1, endpoint="return-seats")
    path = f"/api/v1/admin/events/{event_id}/analytics"
    answer = await service.api.call("GET", path, headers=headers)
    assert fields_of(answer) == [
        *("event_id", "tickets_sold", "revenue", "capacity_utilization", "booking_trends")
    ]
    assert answer.json["tickets_sold"] == 2
    assert answer.json["revenue"] == 19.98
    assert answer.json["capacity_utilization"] == 6.67
    (day,) = answer.json["booking_trends"]
    assert list(day) == ["date", "tickets_sold", "tickets_returned", "revenue"]
    assert (day["tickets_sold"], day["tickets_returned"], day["revenue"]) == (3, 1, 19.98)
    await service.clients.move(event_id, 2)
    assert (await service.api.call("GET", path, headers=headers)).json["revenue"] == 0


async def test_the_history_tells_every_version_newest_first(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event()
    moved = await service.api.send(
        "POST",
        f"/internal/events/{event['event_id']}/update-availability",
        headers=service.api.internal | {"X-Request-ID": "seen-in-history"},
        body={"quantity": -2, "version": 2},
    )
    assert moved.status == 200
    path = f"/api/v1/admin/events/{event['event_id']}/history"
    answer = await service.api.call("GET", f"{path}?limit=2", headers=headers)
    assert fields_of(answer) == ["event_id", "history", "total", "page", "limit"]
    assert (answer.json["total"], answer.json["limit"]) == (3, 2)
    reserved, published = answer.json["history"]
    assert list(reserved) == [
        *("version", "kind", "caller", "changed_fields", "changes", "quantity"),
        *("available_seats", "status", "request_id", "recorded_at"),
    ]
    assert (reserved["version"], reserved["kind"], reserved["quantity"]) == (3, "reserved", -2)
    assert reserved["caller"] == "internal:acceptance"
    assert reserved["request_id"] == "seen-in-history"
    assert published["changed_fields"] == ["status"]
    assert published["caller"].startswith("admin:")
    answer = await service.api.call("GET", f"{path}?limit=2&page=2", headers=headers)
    assert [row["kind"] for row in answer.json["history"]] == ["created"]


async def test_another_admins_event_is_out_of_reach_but_for_a_super_admin(
    service: Service,
) -> None:
    event = await service.clients.published_event()
    path = f"/api/v1/admin/events/{event['event_id']}"
    body = registration(role="admin")
    stranger = (await service.api.call("POST", REGISTER, body=body)).json
    headers = {"Authorization": f"Bearer {stranger['access_token']}"}
    for answer in (
        await service.clients.change(headers, event, name="Mine"),
        await service.clients.cancel(headers, event),
        await service.api.call("GET", path, headers=headers),
        await service.api.call("GET", f"{path}/analytics", headers=headers),
        await service.api.call("GET", f"{path}/history", headers=headers),
    ):
        assert expect(answer, 403, "UNAUTHORIZED") == {"event_id": event["event_id"]}
    owner = await service.clients.admin()
    assert (await service.api.call("GET", path, headers=owner)).json == event
    await service.database.rows(
        "UPDATE admins SET role = 'super_admin' WHERE admin_id = $1", stranger["admin_id"]
    )
    assert (await service.api.call("GET", f"{path}/analytics", headers=headers)).status == 200
    answer = await service.clients.change(headers, event, name="Ours")
    assert (answer.status, answer.json["name"]) == (200, "Ours")
    assert answer.json["created_by"] == event["created_by"]
    # A token says who; what that admin may do is read for every request.
    await service.database.rows(
        "UPDATE admins SET is_active = false WHERE admin_id = $1", stranger["admin_id"]
    )
    expect(await service.api.call("GET", path, headers=headers), 401, "UNAUTHORIZED")


async def test_an_admin_gets_404_for_an_event_or_venue_that_is_not_there(service: Service) -> None:
    headers = await service.clients.admin()
    event = {"event_id": unknown(), "version": 1}
    path = f"/api/v1/admin/events/{event['event_id']}"
    for answer in (
        await service.clients.change(headers, event, name="X"),
        await service.clients.cancel(headers, event),
        await service.api.call("GET", path, headers=headers),
        await service.api.call("GET", f"{path}/analytics", headers=headers),
        await service.api.call("GET", f"{path}/history", headers=headers),
    ):
        expect(answer, 404, "EVENT_NOT_FOUND")
    venue_id = unknown()
    path = f"/api/v1/admin/venues/{venue_id}"
    for answer in (
        await service.api.call("GET", path, headers=headers),
        await service.api.call("PUT", path, headers=headers, body={"name": "X"}),
        await service.api.call("DELETE", path, headers=headers),
    ):
        assert expect(answer, 404, "VENUE_NOT_FOUND") == {"venue_id": venue_id}


async def test_a_broken_id_is_a_bad_request(service: Service) -> None:
    headers = await service.clients.admin()
    for method, path, given in (
        ("GET", f"/api/v1/events/{BAD_ID}", {}),
        ("GET", f"/api/v1/events/{BAD_ID}/availability", {}),
        ("GET", f"/api/v1/admin/events/{BAD_ID}", headers),
        ("PUT", f"/api/v1/admin/events/{BAD_ID}", headers),
        ("DELETE", f"/api/v1/admin/events/{BAD_ID}", headers),
        ("GET", f"/api/v1/admin/events/{BAD_ID}/analytics", headers),
        ("GET", f"/api/v1/admin/events/{BAD_ID}/history", headers),
        ("GET", f"/internal/events/{BAD_ID}", service.api.internal),
        ("POST", f"/internal/events/{BAD_ID}/update-availability", service.api.internal),
        ("POST", f"/internal/events/{BAD_ID}/return-seats", service.api.internal),
    ):
        answer = await service.api.call(method, path, headers=given)
        assert problems(answer) == {"path.event_id": "Invalid event ID"}
        assert answer.json["error"]["message"] == "Invalid event ID"
    for method in ("GET", "PUT", "DELETE"):
        answer = await service.api.call(method, f"/api/v1/admin/venues/{BAD_ID}", headers=headers)
        assert problems(answer) == {"path.venue_id": "Invalid venue ID"}


# Venues


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
    assert fields_of(answer) == [*VENUE, *FOR_ADMIN]
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
    assert list(answer.json["venues"][0]) == [*VENUE, *FOR_ADMIN]


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


# The booking service


async def test_the_booking_service_reads_what_it_needs(service: Service) -> None:
    event = await service.clients.published_event(base_price=12)
    path = f"/internal/events/{event['event_id']}"
    answer = await service.api.call("GET", path, headers=service.api.internal)
    assert answer.status == 200
    assert answer.json == {
        "event_id": event["event_id"],
        "available_seats": 100,
        "max_tickets_per_booking": 6,
        "base_price": 12,
        "version": 2,
        "status": "published",
    }
    assert fields_of(answer) == [
        *("event_id", "available_seats", "max_tickets_per_booking"),
        *("base_price", "version", "status"),
    ]
    headers = {"Authorization": f"ApiKey {service.api.internal_key}"}
    assert (await service.api.call("GET", path, headers=headers)).json == answer.json


async def test_internal_endpoints_take_an_internal_key_only(service: Service) -> None:
    event = await service.clients.published_event()
    path = f"/internal/events/{event['event_id']}"
    calls = (
        ("GET", path),
        ("POST", f"{path}/update-availability"),
        ("POST", f"{path}/return-seats"),
    )
    admin = await service.clients.admin()
    for method, target in calls:
        for headers in ({}, admin, {"X-API-Key": ""}):
            answer = await service.api.call(method, target, headers=headers)
            expect(answer, 401, "UNAUTHORIZED")
            assert answer.headers["WWW-Authenticate"].startswith("ApiKey")
        answer = await service.api.call(f"{method}", f"{target}?api_key={service.api.internal_key}")
        expect(answer, 401, "UNAUTHORIZED")
        for wrong in (service.api.internal_key[:-1], f"{service.api.internal_key}x"):
            answer = await service.api.call(method, target, headers={"X-API-Key": wrong})
            expect(answer, 403, "UNAUTHORIZED")
    assert len(await service.database.ledger(event["event_id"])) == 2


async def test_seats_are_reserved_and_returned_at_a_version(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    answer = await service.clients.reserve(event_id, 2, version=2)
    assert answer.status == 200
    assert answer.json == {
        "event_id": event_id,
        "available_seats": 98,
        "status": "published",
        "version": 3,
    }
    assert fields_of(answer) == ["event_id", "available_seats", "status", "version"]
    assert "Idempotent-Replayed" not in answer.headers
    answer = await service.clients.move(event_id, 1, version=3)
    assert (answer.json["available_seats"], answer.json["version"]) == (99, 4)
    answer = await service.clients.move(event_id, 1, endpoint="return-seats", version=4)
    assert fields_of(answer) == ["event_id", "available_seats", "status", "version"]
    assert (answer.json["available_seats"], answer.json["version"]) == (100, 5)


async def test_a_stale_version_is_told_what_it_takes_to_try_again(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    for answer in (
        await service.clients.reserve(event_id, 2, version=1),
        await service.clients.reserve(event_id, 2, version=9, on_conflict="retry"),
    ):
        details = expect(answer, 409, "CONCURRENT_UPDATE")
        assert list(details) == [
            *("event_id", "expected_version", "current_version", "available_seats", "status")
        ]
        assert (details["current_version"], details["available_seats"]) == (2, 100)
    # The price has changed since version 2, so the service may not take that conflict on itself.
    await service.clients.change(
        await service.clients.admin(), {"event_id": event_id, "version": 2}, base_price=99
    )
    answer = await service.clients.reserve(event_id, 1, version=2, on_conflict="retry")
    expect(answer, 409, "CONCURRENT_UPDATE")
    await service.clients.reserve(event_id, 1)
    answer = await service.clients.reserve(event_id, 1, version=3, on_conflict="retry")
    assert (answer.status, answer.json["version"]) == (200, 5)


async def test_too_few_seats_come_before_a_stale_version(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=3))["event_id"]
    answer = await service.clients.reserve(event_id, 4, version=1)
    assert expect(answer, 409, "INSUFFICIENT_SEATS") == {
        "event_id": event_id,
        "requested": 4,
        "available": 3,
    }
    assert answer.json["error"]["message"] == "Not enough seats available"
    for endpoint in ("update-availability", "return-seats"):
        answer = await service.clients.move(event_id, 1, endpoint=endpoint)
        assert expect(answer, 409, "SEATS_EXCEED_CAPACITY") == {
            "event_id": event_id,
            "requested": 1,
            "returnable": 0,
        }
    assert len(await service.database.ledger(event_id)) == 2


@pytest.mark.parametrize("endpoint", ["update-availability", "return-seats"])
async def test_a_seat_move_is_refused_with_every_field_that_is_wrong(
    service: Service, endpoint: str
) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    path = f"/internal/events/{event_id}/{endpoint}"

    async def refused(body: Any, **headers: str) -> Mapping[str, str]:
        answer = await service.api.call(
            "POST", path, headers=service.api.internal | headers, body=body
        )
        return problems(answer)

    assert await refused({}) == {
        "body.quantity": "quantity is required",
        "body.version": "version is required",
    }
    for body, field in (
        ({"quantity": 0, "version": 2}, "body.quantity"),
        ({"quantity": 1.0, "version": 2}, "body.quantity"),
        ({"quantity": 1, "version": "2"}, "body.version"),
        ({"quantity": 1, "version": 2, "on_conflict": "maybe"}, "body.on_conflict"),
    ):
        assert list(await refused(body)) == [field]
    if endpoint == "return-seats":
        assert list(await refused({"quantity": -1, "version": 2})) == ["body.quantity"]
    good = {"quantity": 1, "version": "*"}
    assert list(await refused(good, **{"Idempotency-Key": "x" * 256})) == ["header.Idempotency-Key"]
    assert len(await service.database.ledger(event_id)) == 2


async def test_a_key_acts_once_and_replays_its_first_answer(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    first = await service.clients.reserve(event_id, 2, key="booking 7")
    await service.clients.reserve(event_id, 5)
    again = await service.clients.reserve(event_id, 2, key='"booking 7"')
    assert (again.status, again.json) == (200, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await service.clients.reserve(event_id, 3, key="booking 7")
    assert expect(other, 422, "IDEMPOTENCY_KEY_REUSED") == {"event_id": event_id}
    returned = await service.clients.move(event_id, 2, key="booking 7", endpoint="return-seats")
    expect(returned, 422, "IDEMPOTENCY_KEY_REUSED")
    elsewhere = (await service.clients.published_event())["event_id"]
    assert (await service.clients.reserve(elsewhere, 3, key="booking 7")).status == 200
    versions = [row["version"] for row in await service.database.ledger(event_id)]
    assert versions == [1, 2, 3, 4]


# Health, metrics, documentation


async def test_health_and_readiness(service: Service) -> None:
    for path, body in (
        ("/healthz", b'{"status":"healthy"}'),
        ("/health/ready", b'{"status":"ready","database":"connected"}'),
    ):
        answer = await service.api.call("GET", path)
        assert (answer.status, answer.body) == (200, body)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"


async def test_metrics_count_what_was_answered(service: Service) -> None:
    event_id = (await service.clients.published_event(total_capacity=1))["event_id"]
    await service.clients.reserve(event_id, 1, version=1)
    await service.clients.reserve(event_id, 1, version=2)
    await service.clients.reserve(event_id, 1)
    answer = await service.api.call("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.body.decode()
    for line in (
        f'evently_request_seconds_count{{method="POST",route="{MOVE}",status="200"}}',
        'evently_seat_moves_total{kind="reserve",outcome="done"}',
        'evently_seat_moves_total{kind="reserve",outcome="insufficient_seats"}',
        'evently_seat_moves_total{kind="reserve",outcome="conflict"}',
        'evently_version_conflicts_total{resolution="retried"}',
        'evently_version_conflicts_total{resolution="rejected"}',
        "evently_commit_seconds_bucket",
        "evently_commit_moves_bucket",
        "evently_mailbox_depth",
        "evently_actors",
        "evently_pool_in_use",
    ):
        assert line in text, line
    assert event_id not in text


async def test_the_document_and_the_page_that_shows_it(service: Service) -> None:
    answer = await service.api.call("GET", "/openapi.json")
    document = answer.json
    assert document["openapi"].startswith("3.")
    same = await service.api.call(
        "GET", "/openapi.json", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (same.status, same.body) == (304, b"")
    page = await service.api.call("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert b"http://" not in page.body
    assert b"https://" not in page.body
    for name, media_type in (
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("init.js", "text/javascript"),
    ):
        answer = await service.api.send("GET", f"/docs/{name}")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(media_type)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(answer.body) > 50


# What holds for every answer


async def test_every_answer_carries_the_request_id_that_was_sent_or_a_new_one(
    service: Service,
) -> None:
    for path in ("/healthz", "/nowhere", f"/api/v1/events/{BAD_ID}", "/internal/events/x"):
        given = f"given-{uuid4().hex}"
        answer = await service.api.send("GET", path, headers={"X-Request-ID": given})
        assert answer.headers["X-Request-ID"] == given
        for bad in ("x" * 65, "with blank", ""):
            answer = await service.api.send("GET", path, headers={"X-Request-ID": bad})
            assert answer.headers["X-Request-ID"] not in {bad, ""}
        assert len(answer.headers["X-Request-ID"]) == 32
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "/" not in answer.headers["Server"]


async def test_the_request_id_of_an_error_is_in_the_log(service: Service) -> None:
    given = f"find-me-{uuid4().hex}"
    await service.api.send("GET", "/nowhere", headers={"X-Request-ID": given})
    assert given in service.process.log()


async def test_an_unknown_path_is_404_and_a_wrong_method_405(service: Service) -> None:
    checker = await service.api.checker()
    for path in ("/", "/nowhere", "/api/v1/events/", "//healthz", "/healthz/", "/api/v1/event"):
        answer = await service.api.send("GET", path)
        expect(answer, 404, "NOT_FOUND")
        checker.check_unrouted("GET", path, answer.status, answer.headers, answer.body)
    for method, path, allowed in (
        ("POST", "/api/v1/events", "GET, HEAD, OPTIONS"),
        ("GET", LOGIN, "OPTIONS, POST"),
        ("PATCH", f"/api/v1/admin/events/{unknown()}", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ):
        answer = await service.api.send(method, path)
        expect(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == allowed
        checker.check_unrouted(method, path, answer.status, answer.headers, answer.body)


async def test_options_runs_no_handler_and_names_no_origin(service: Service) -> None:
    event = await service.clients.published_event()
    path = f"/internal/events/{event['event_id']}/update-availability"
    answer = await service.api.send(
        "OPTIONS",
        path,
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert (answer.status, answer.body, answer.headers["Allow"]) == (204, b"", "OPTIONS, POST")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_head_answers_what_get_would_without_the_body(service: Service) -> None:
    event = await service.clients.published_event()
    for path in ("/healthz", f"/api/v1/events/{event['event_id']}"):
        got = await service.api.call("GET", path)
        head = await service.api.call("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(got.body))


async def test_a_body_must_be_json_in_utf8_and_of_bounded_size(service: Service) -> None:
    event_id = (await service.clients.published_event())["event_id"]
    path = f"/internal/events/{event_id}/update-availability"
    headers = service.api.internal | {"Content-Type": "application/json"}
    body = json.dumps({"quantity": -1, "version": "*"}).encode()

    async def post(raw: bytes, **over: str) -> Answer:
        return await service.api.call("POST", path, headers=headers | over, raw=raw)

    padded = body.ljust(64 * 1024)
    assert (await post(padded)).status == 200
    expect(await post(padded + b" "), 413, "PAYLOAD_TOO_LARGE")
    expect(await post(body, **{"Content-Type": "text/plain"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    expect(await post(body, **{"Content-Encoding": "gzip"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    answer = await post(b"{")
    assert problems(answer) == {"body": "Invalid JSON"}
    assert len(await service.database.ledger(event_id)) == 3


async def test_completed_is_told_by_the_clock(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    event = await service.clients.publish(
        headers,
        await service.clients.create_event(
            headers,
            venue["venue_id"],
            start_datetime=from_now(0.6),
            end_datetime=from_now(0.7),
            event_type=uuid4().hex,
        ),
    )
    path = f"/api/v1/events/{event['event_id']}"

    async def completed() -> bool:
        status = (await service.api.call("GET", path)).json["status"]
        assert status in {"published", "completed"}
        return bool(status == "completed")

    await until(completed, 5, "the end")
    answer = await service.api.call("GET", f"{path}/availability")
    assert answer.json["status"] == "completed"
    answer = await service.api.call("GET", f"/api/v1/events?type={event['event_type']}")
    assert answer.json["total"] == 0
    rows = await service.database.rows(
        "SELECT status FROM events WHERE event_id = $1", event["event_id"]
    )
    assert rows[0]["status"] == "published"
