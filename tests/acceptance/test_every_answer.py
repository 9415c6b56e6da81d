"""What holds for every answer: request ids, unknown paths, methods, bodies."""

import json
from uuid import uuid4

from tests.acceptance.expectations import (
    BAD_ID,
    LOGIN,
    expect,
    problems,
    unknown,
)
from tests.acceptance.service import Service, from_now
from tests.acceptance.service_api import Answer
from tests.until import until


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
    for path in ("/nowhere", "/api/v1/events/", "//healthz", "/healthz/", "/api/v1/event"):
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
