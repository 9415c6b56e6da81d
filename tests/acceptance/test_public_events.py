"""What the public reads: lists, events, availability."""

from uuid import uuid4

from tests.acceptance.expectations import (
    IN_DETAIL,
    IN_LIST,
    VENUE_IN_EVENT,
    expect,
    fields_of,
    problems,
    unknown,
)
from tests.acceptance.service import Service


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
    # The second goes on then.
    assert await days("&date_from=2036-01-02T21:00:00Z") == ["2", "3"]
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
    assert problems(answer) == {"query.date_to": "date_to must not be before date_from"}
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
    assert list(answer.json["venue"]) == VENUE_IN_EVENT
    assert answer.json["venue"] == {name: venue[name] for name in VENUE_IN_EVENT}
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
    assert fields_of(answer) == [
        *("available_seats", "status", "last_updated", "level", "sales_start", "sales_end")
    ]
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


async def test_an_event_that_was_never_published_stays_unknown_once_it_is_cancelled(
    service: Service,
) -> None:
    headers = await service.clients.admin()
    venue = await service.clients.create_venue(headers)
    event = await service.clients.create_event(headers, venue["venue_id"])
    event_id = event["event_id"]
    assert (await service.clients.cancel(headers, event)).status == 200
    own = await service.api.call("GET", f"/api/v1/admin/events/{event_id}", headers=headers)
    assert own.json["status"] == "cancelled"
    for path in (f"/api/v1/events/{event_id}", f"/api/v1/events/{event_id}/availability"):
        expect(await service.api.call("GET", path), 404, "EVENT_NOT_FOUND")
    for seats in (1, -1):
        expect(await service.clients.move(event_id, seats), 404, "EVENT_NOT_FOUND")
