"""What the fast path answers and how, beside what the dispatcher answers."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from evently.domain.errors import Overloaded
from evently.domain.outcomes import InsufficientSeats
from routes.server.admission import Admission
from tests.examples import ADMIN, EVENT, published
from tests.unit.one_connection import (
    READ,
    RESERVE,
    Client,
    connected,
    done,
    tasks,
    until,
)


@pytest.fixture
async def client() -> Client:
    return await connected()


async def test_a_read_is_answered_in_the_turn_that_brought_it(client: Client) -> None:
    client.send("GET", READ)

    assert client.statuses() == [200]


async def test_a_move_is_answered_when_its_event_has_answered_and_takes_no_task(
    client: Client,
) -> None:
    before = tasks()
    client.reserve()
    assert client.wire.written == b""
    assert tasks() == before

    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.wire.written != b"")

    status, headers, body = client.answers()[0]
    assert status == 200
    assert body["version"] == 7
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert len(headers["X-Request-ID"]) == 32


async def test_refusals_and_faults_are_the_envelope(client: Client) -> None:
    client.reserve(3)
    client.events.asked[0][1].set_result(InsufficientSeats(3, 1))
    await until(lambda: client.statuses() == [409])
    client.reserve()
    client.events.asked[1][1].set_exception(Overloaded("full"))
    await until(lambda: client.statuses() == [409, 503])
    client.events.fault = Overloaded("full")
    client.reserve()
    client.events.fault = ZeroDivisionError("a bug")
    client.reserve()

    assert client.statuses() == [409, 503, 503, 500]
    for _, headers, body in client.answers():
        assert set(body) == {"error"}
        assert headers["Cache-Control"] == "no-store"


# Each is answered on the fast path as it stands, and the long way when the client asks to close.
REQUESTS = {
    "a read": ("GET", READ, ""),
    "an availability": ("GET", f"/api/v1/events/{EVENT}/availability", ""),
    "an id in capitals": ("GET", f"/internal/events/{ADMIN.upper()}", ""),
    "a broken id": ("GET", "/internal/events/x", ""),
    "a broken body": ("POST", RESERVE, "{"),
    "no body": ("POST", RESERVE, "", "Content-Type: application/json"),
    "a body of nothing": (
        *("POST", RESERVE, "", "Content-Type: application/json"),
        "Content-Length: 0",
    ),
    "nothing of a body, not even its type": ("POST", RESERVE, ""),
    "a bad field": ("POST", RESERVE, '{"quantity":0,"version":"*"}'),
    "a long body": ("POST", RESERVE, '{"quantity":0,"version":"*"}' + 70_000 * " "),
    "another's key": ("GET", READ, "", "X-API-Key: other"),
    "a scheme beside": ("GET", READ, "", "Authorization: ApiKey other"),
    "a key of no characters": ("POST", RESERVE, '{"quantity":-1,"version":1}', "Idempotency-Key: "),
    "two keys": ("GET", READ, "", "Idempotency-Key: a", "Idempotency-Key: b"),
    "a form": ("POST", RESERVE, "quantity=1", "Content-Encoding: gzip"),
    "no wait": ("POST", RESERVE, '{"quantity":-1,"version":1}', "X-Request-Timeout-Ms: 0"),
    "another method": ("PATCH", RESERVE, ""),
}


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS.keys())
async def test_both_ways_answer_alike(client: Client, sent: tuple[str, ...]) -> None:
    method, path, body, *headers = sent
    client.send(method, path, body, "X-Request-ID: same", *headers)
    await until(lambda: client.wire.written != b"")
    other = await connected()
    other.send(method, path, body, "X-Request-ID: same", "Connection: close", *headers)
    await until(lambda: other.wire.written != b"")

    assert normal(client) == normal(other)


def normal(client: Client) -> Any:
    """The answer without what differs between any two."""
    (status, headers, body) = client.answers()[0]
    if "error" in body:
        del body["error"]["timestamp"]
    told = {name: value for name, value in headers.items() if name not in {"Date", "Connection"}}
    return status, told, body


async def test_a_read_that_must_wait_is_answered_later(client: Client) -> None:
    client.events.state = None
    client.send("GET", READ)
    assert client.wire.written == b""

    client.events.reads[0].set_result(replace(published(), version=9))
    await until(lambda: client.wire.written != b"")

    assert client.answers()[0][2]["version"] == 9


async def test_a_bug_in_the_fast_path_costs_no_connection(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask: Callable[..., Awaitable[None]] = cast(Any, None)
    monkeypatch.setattr(client.events, "look_up", ask)
    client.send("GET", READ)

    assert client.statuses() == [500]


async def test_what_fails_after_the_answer_is_not_answered_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any, **named: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Admission, "conclude", fail)
    with pytest.raises(ZeroDivisionError):
        client.send("GET", READ)

    assert client.statuses() == [200]
