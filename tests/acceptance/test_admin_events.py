"""What an admin does with events: create, change, cancel, list, analyse."""

from typing import Any

from tests.acceptance.expectations import (
    BAD_ID,
    IN_ADMIN_DETAIL,
    IN_ADMIN_LIST,
    REGISTER,
    expect,
    fields_of,
    problems,
    registration,
    unknown,
)
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer
from tests.acceptance.service_clients import new_event


async def test_an_event_begins_as_a_draft_of_version_1(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers, capacity=100)
    body = new_event(
        venue["venue_id"], base_price=0.1, status="published", version=7, available_seats=3
    )
    del body["max_tickets_per_booking"]
    answer = await service.api.call("POST", "/api/v1/admin/events", headers=headers, body=body)
    assert answer.status == 201
    assert fields_of(answer) == IN_ADMIN_DETAIL
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
    assert await refused(backwards) == {
        "body.end_datetime": "end_datetime must be after start_datetime"
    }
    assert await refused([1]) == {"body": "body must be a JSON object"}


async def test_an_update_answers_the_event_with_its_next_version(service: Service) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    event = await service.clients.create_event(headers, venue["venue_id"])
    answer = await service.clients.change(
        headers, event, name="Late night", base_price=30, total_capacity=150
    )
    assert answer.status == 200
    assert fields_of(answer) == IN_ADMIN_DETAIL
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
    written = problems(await put({"version": 1, "name": "X", "available_seats": 5}))
    assert "available_seats is 10" in written["body.available_seats"]
    slip = problems(await put({"version": 1, "max_ticket_per_booking": 5}))
    assert "did you mean max_tickets_per_booking?" in slip["body.max_ticket_per_booking"]
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
        "held": 0,
        "held_back": 0,
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


async def test_admins_list_their_own_events(service: Service) -> None:
    headers = await service.clients.register_admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(headers, venue["venue_id"])
    await service.clients.publish(
        headers, await service.clients.create_event(headers, venue["venue_id"])
    )
    answer = await service.api.call("GET", "/api/v1/admin/events?limit=1", headers=headers)
    assert fields_of(answer) == ["events", "total", "page", "limit"]
    assert list(answer.json["events"][0]) == IN_ADMIN_LIST
    assert (answer.json["total"], answer.json["page"], answer.json["limit"]) == (2, 1, 1)
    answer = await service.api.call("GET", "/api/v1/admin/events?status=draft", headers=headers)
    assert [event["event_id"] for event in answer.json["events"]] == [draft["event_id"]]
    searched = f"/api/v1/admin/events?search={draft['name'][:3]}&order=-start&status=draft"
    answer = await service.api.call("GET", searched, headers=headers)
    assert [event["event_id"] for event in answer.json["events"]] == [draft["event_id"]]
    answer = await service.api.call("GET", "/api/v1/admin/events?search=%25", headers=headers)
    assert (answer.json["events"], answer.json["total"]) == ([], 0)
    answer = await service.api.call("GET", "/api/v1/admin/events?status=new", headers=headers)
    assert list(problems(answer)) == ["query.status"]


async def test_ones_own_event_that_is_the_same_answers_304(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event()
    path = f"/api/v1/admin/events/{event['event_id']}"
    answer = await service.api.call("GET", path, headers=headers)
    etag = answer.headers["ETag"]
    assert answer.headers["Cache-Control"] == "no-store"
    again = headers | {"If-None-Match": etag}
    same = await service.api.call("GET", path, headers=again)
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", etag)
    await service.clients.reserve(event["event_id"], 1)
    moved = await service.api.call("GET", path, headers=again)
    assert (moved.status, moved.json["version"]) == (200, event["version"] + 1)
    assert moved.headers["ETag"] != etag


async def test_analytics_add_up_what_was_sold(service: Service) -> None:
    headers = await service.clients.admin()
    event = await service.clients.published_event(total_capacity=30, base_price=9.99)
    event_id = event["event_id"]
    await service.clients.reserve(event_id, 3)
    await service.clients.move(event_id, 1, endpoint="return-seats")
    path = f"/api/v1/admin/events/{event_id}/analytics"
    answer = await service.api.call("GET", path, headers=headers)
    assert fields_of(answer) == [
        *("event_id", "tickets_sold", "revenue", "capacity_utilization", "booking_trends"),
        "archived",
    ]
    assert answer.json["tickets_sold"] == 2
    assert answer.json["revenue"] == 19.98
    assert answer.json["capacity_utilization"] == 6.67
    (day,) = answer.json["booking_trends"]
    assert list(day) == ["date", "tickets_sold", "tickets_returned", "revenue", "start"]
    assert (day["tickets_sold"], day["tickets_returned"], day["revenue"]) == (3, 1, 19.98)
    assert day["start"] == f"{day['date']}T00:00:00Z"
    answer = await service.api.call("GET", f"{path}?bucket=minute", headers=headers)
    minutes = answer.json["booking_trends"]
    assert sum(minute["tickets_sold"] for minute in minutes) == 3
    answer = await service.api.call(
        "GET", f"{path}?bucket=hour&from=2001-01-01&to=2001-01-02", headers=headers
    )
    assert (answer.json["booking_trends"], answer.json["tickets_sold"]) == ([], 2)
    answer = await service.api.call("GET", f"{path}?bucket=week", headers=headers)
    assert list(problems(answer)) == ["query.bucket"]
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
    assert fields_of(answer) == ["event_id", "history", "total", "page", "limit", "archived"]
    assert (answer.json["total"], answer.json["limit"]) == (3, 2)
    reserved, published = answer.json["history"]
    assert list(reserved) == [
        *("version", "kind", "caller", "changed_fields", "changes", "quantity"),
        *("available_seats", "status", "request_id", "recorded_at", "held", "hold_id"),
        *("previous", "caller_name", "held_back"),
    ]
    assert (reserved["version"], reserved["kind"], reserved["quantity"]) == (3, "reserved", -2)
    assert reserved["caller"] == "internal:acceptance"
    assert reserved["request_id"] == "seen-in-history"
    assert published["changed_fields"] == ["status"]
    assert published["previous"] == {"status": "draft"}
    assert published["caller"].startswith("admin:")
    assert (published["caller_name"], reserved["caller_name"]) == ("Ada", None)
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
