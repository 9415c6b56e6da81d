"""Health, metrics and the API's own document."""

from tests.acceptance.expectations import MOVE
from tests.acceptance.service import Service


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
        "evently_bulk_moves_waiting",
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
