import json
from typing import Any

import msgspec
import pytest

from routes.api import ENDPOINTS
from routes.openapi.document import document
from tests.acceptance.contract import AnswerChecker

ID = "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"
MOVE = "/internal/events/{event_id}/update-availability"
HEADERS = {
    "Content-Type": "application/json",
    "X-Request-ID": "1",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Server": "evently",
}
MOVED = {
    "event_id": ID,
    "available_seats": 3,
    "status": "published",
    "version": 42,
    "unit_price": 25.5,
}
TOO_FEW = {
    "code": "INSUFFICIENT_SEATS",
    "message": "Not enough seats available",
    "details": {
        "event_id": ID,
        "requested": 5,
        "available": 3,
        "held": 0,
        "next_hold_expires_at": None,
    },
    "timestamp": "2030-01-15T10:30:00Z",
}


@pytest.fixture(scope="module")
def checker() -> AnswerChecker:
    return AnswerChecker(json.loads(msgspec.json.encode(document(ENDPOINTS))))


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


def without(name: str) -> dict[str, str]:
    return {header: text for header, text in HEADERS.items() if header != name}


def test_a_good_answer_passes_and_is_returned(checker: AnswerChecker) -> None:
    assert checker.check("POST", MOVE, 200, HEADERS, encoded(MOVED)) == MOVED


def test_a_good_refusal_passes(checker: AnswerChecker) -> None:
    checker.check("POST", MOVE, 409, HEADERS, encoded({"error": TOO_FEW}))


@pytest.mark.parametrize(
    ("status", "headers", "value"),
    [
        (200, HEADERS, {**MOVED, "seats": 3}),
        (200, HEADERS, {"event_id": ID, "available_seats": 3, "status": "published"}),
        (200, HEADERS, {**MOVED, "available_seats": "3"}),
        (200, HEADERS, {**MOVED, "status": "open"}),
        (200, HEADERS, {**MOVED, "event_id": "1"}),
        (200, HEADERS, [MOVED]),
        (201, HEADERS, MOVED),
        (200, without("X-Content-Type-Options"), MOVED),
        (200, without("X-Request-ID"), MOVED),
        (200, without("Cache-Control"), MOVED),
        (200, {**HEADERS, "Cache-Control": "public"}, MOVED),
        (200, {**HEADERS, "Content-Type": "text/plain"}, MOVED),
        (200, {**HEADERS, "Server": "Python/3.11 aiohttp/3.14"}, MOVED),
        (200, {**HEADERS, "Idempotent-Replayed": "yes"}, MOVED),
        (409, HEADERS, MOVED),
        (409, HEADERS, {"error": {**TOO_FEW, "code": "VENUE_IN_USE"}}),
        (409, HEADERS, {"error": {**TOO_FEW, "code": "TOO_BAD"}}),
        (409, HEADERS, {"error": {**TOO_FEW, "details": {}}}),
        (409, HEADERS, {"error": {**TOO_FEW, "details": None}}),
        (409, HEADERS, {"error": {**TOO_FEW, "timestamp": "today"}}),
        (409, HEADERS, {"error": {**TOO_FEW, "trace": "..."}}),
        (503, HEADERS, {"error": {**TOO_FEW, "code": "OVERLOADED"}}),
    ],
)
def test_an_answer_beside_the_document_fails(
    checker: AnswerChecker, status: int, headers: dict[str, str], value: Any
) -> None:
    with pytest.raises(AssertionError):
        checker.check("POST", MOVE, status, headers, encoded(value))


@pytest.mark.parametrize("body", [b"", b"{", b"not json", json.dumps(MOVED, indent=1).encode()])
def test_a_body_that_is_no_compact_json_fails(checker: AnswerChecker, body: bytes) -> None:
    with pytest.raises(AssertionError):
        checker.check("POST", MOVE, 200, HEADERS, body)


def test_a_path_leads_to_its_pattern(checker: AnswerChecker) -> None:
    assert checker.pattern_of(f"/internal/events/{ID}/update-availability?x=1") == MOVE
    assert checker.pattern_of("/api/v1/events?page=2") == "/api/v1/events"
    assert not checker.documents("POST", "/api/v1/events")
    with pytest.raises(AssertionError):
        checker.pattern_of("/api/v1/events/")


def test_a_path_that_is_not_there_is_not_found(checker: AnswerChecker) -> None:
    missing = {**TOO_FEW, "code": "NOT_FOUND", "details": {}}
    checker.check_unrouted("GET", "/nowhere", 404, HEADERS, encoded({"error": missing}))
    with pytest.raises(AssertionError):
        checker.check_unrouted("GET", "/nowhere", 404, HEADERS, encoded({"error": TOO_FEW}))
    wrong_method = {**missing, "code": "METHOD_NOT_ALLOWED"}
    with pytest.raises(AssertionError, match="Allow"):
        checker.check_unrouted("PUT", "/healthz", 405, HEADERS, encoded({"error": wrong_method}))
