"""One connection: what takes the fast path, in what order answers leave, and what ends it.

Rule: the bytes of requests go in at one end, and what the client would get is looked at; what the
events answer, and when, is in the test's hand.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from actors.clock import DatabaseClock
from actors.envelope import Request
from evently.domain.errors import Overloaded
from evently.domain.outcomes import Answer, Done, InsufficientSeats
from evently.domain.state import EventState, Status
from evently.metrics import make_metrics
from routes.api import ENDPOINTS
from routes.auth.internal_keys import InternalKeys
from routes.server.conclusion import Conclusion
from routes.server.connection import EdgeServer
from routes.server.dispatch import Dispatcher
from routes.server.fast_path import (
    KNOWN_BODY_BYTES_MAX,
    KNOWN_TARGET_BYTES_MAX,
    FastPath,
    _known_body,
)
from routes.server.read_json import BODY_BYTES_MAX
from routes.services import Lifecycle, Services
from tests.examples import ADMIN, EVENT, NOW, published

KEY = "internal-key-0123456789"
RESERVE = f"/internal/events/{EVENT}/update-availability"
READ = f"/internal/events/{EVENT}"


class Events:
    """Events that answer when the test says so; reads answer at once while `state` is there."""

    def __init__(self) -> None:
        self.clock = DatabaseClock()
        self.clock.tell(NOW)
        self.asked: list[tuple[Request, asyncio.Future[Answer]]] = []
        self.reads: list[asyncio.Future[EventState | None]] = []
        self.state: EventState | None = published()
        self.fault: Exception | None = None

    def submit(self, event_id: str, request: Request) -> "asyncio.Future[Answer]":
        if self.fault is not None:
            raise self.fault
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((request, future))
        return future

    def look_up(self, event_id: str) -> "EventState | asyncio.Future[EventState | None]":
        if self.state is not None:
            return self.state
        future: asyncio.Future[EventState | None] = asyncio.get_running_loop().create_future()
        self.reads.append(future)
        return future


class Wire(asyncio.Transport):
    """The client's end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent_bytes = 0
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed, "nothing is written after the end"
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Client:
    """A client and its connection to a service whose events are in the test's hand."""

    def __init__(self) -> None:
        self.events = Events()
        self.lifecycle = Lifecycle()
        services = cast(
            Services,
            SimpleNamespace(
                events=self.events,
                lifecycle=self.lifecycle,
                internal_keys=InternalKeys({"booking": KEY}),
                observer=make_metrics(),
                cors_origins=frozenset(),
            ),
        )
        conclusion = Conclusion(services)
        dispatcher = Dispatcher(ENDPOINTS, services, conclusion)
        self.fast_path = FastPath(ENDPOINTS, services, conclusion)
        server = EdgeServer(dispatcher, services.observer, self.fast_path)
        self.wire = Wire()
        self.connection = server()
        self.connection.connection_made(self.wire)

    def send(self, method: str, path: str, body: str = "", *headers: str) -> None:
        self.connection.data_received(request(method, path, body, *headers))

    def reserve(self, seats: int = 1) -> None:
        self.send("POST", RESERVE, f'{{"quantity":-{seats},"version":"*"}}')

    async def answer(self) -> None:
        """Let the event answer its last move, and the answer leave."""
        self.events.asked[-1][1].set_result(done(len(self.events.asked)))
        await until(lambda: len(self.statuses()) == len(self.events.asked))

    def answers(self) -> list[tuple[int, dict[str, str], Any]]:
        """Status, headers and JSON of every answer so far."""
        found, rest = [], self.wire.written
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            length = int(headers.get("Content-Length", 0))
            body, rest = rest[:length], rest[length:]
            found.append((int(first.split()[1]), headers, json.loads(body) if body else None))
        return found

    def statuses(self) -> list[int]:
        return [status for status, _, _ in self.answers()]


def request(method: str, path: str, body: str = "", *headers: str) -> bytes:
    """A request with an internal key, and JSON where it has a body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", f"X-API-Key: {KEY}", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body]).encode()


def done(version: int, left: int = 5) -> Done:
    return Done(version, left, Status.PUBLISHED, NOW)


async def until(fact: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    for _ in range(100):
        if fact():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come to that")


def tasks() -> int:
    return len(asyncio.all_tasks())


@pytest.fixture
async def client() -> Client:
    found = Client()
    # aiohttp's own loop over this connection's requests begins to wait.
    await until(lambda: found.connection._waiter is not None)
    return found


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


async def test_answers_leave_in_the_order_of_their_requests(client: Client) -> None:
    one = request("POST", RESERVE, '{"quantity":-1,"version":"*"}')
    cold = request("GET", "/nowhere")
    client.connection.data_received(one + request("GET", READ) + cold + one + request("GET", READ))
    assert client.wire.written == b""

    client.events.asked[0][1].set_result(done(3))
    await until(lambda: len(client.events.asked) == 2)
    assert client.statuses() == [200, 200, 404]
    client.events.asked[1][1].set_result(done(4))
    await until(lambda: len(client.statuses()) == 5)

    assert client.statuses() == [200, 200, 404, 200, 200]
    assert [body["version"] for _, _, body in client.answers() if "version" in body] == [3, 2, 4, 2]


async def test_after_what_took_the_long_way_the_fast_path_goes_on(client: Client) -> None:
    client.send("GET", "/nowhere")
    await until(lambda: client.statuses() == [404])
    await until(lambda: client.connection._waiter is not None)

    client.send("GET", READ)

    assert client.statuses() == [404, 200]


async def test_a_hundred_pipelined_moves_are_carried_out_one_after_the_other(
    client: Client,
) -> None:
    client.connection.data_received(100 * request("POST", RESERVE, '{"quantity":-1,"version":"*"}'))
    for number in range(100):
        await until(lambda: len(client.events.asked) == number + 1)  # noqa: B023 - awaited here
        client.events.asked[number][1].set_result(done(number + 1))
    await until(lambda: len(client.statuses()) == 100)

    assert [body["version"] for _, _, body in client.answers()] == list(range(1, 101))


async def test_a_body_that_comes_right_behind_its_head_takes_no_task(client: Client) -> None:
    before = tasks()
    head, _, body = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    client.connection.data_received(body[:5])
    assert client.events.asked == []
    client.connection.data_received(body[5:] + request("GET", READ))

    assert tasks() == before
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200, 200])


async def test_a_body_that_is_late_goes_the_long_way(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routes.server.connection.BODY_GRACE_S", 0.0)
    before = tasks()
    head, _, body = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    await until(lambda: tasks() > before)
    client.connection.data_received(body)
    await until(lambda: len(client.events.asked) == 1)
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])


@pytest.mark.parametrize(
    ("header", "status"), [("Content-Length: 70000", 413), ("Expect: 100-continue", 100)]
)
async def test_a_body_that_is_not_to_be_waited_for_is_told_so_at_once(
    client: Client, header: str, status: int
) -> None:
    lines = [f"POST {RESERVE} HTTP/1.1", "Host: test", f"X-API-Key: {KEY}", header]
    lines += ["Content-Type: application/json"]
    lines += [] if "Length" in header else ["Content-Length: 29"]
    client.connection.data_received("\r\n".join([*lines, "", ""]).encode())
    assert client.connection._body_timer is None
    await until(lambda: client.wire.written.startswith(f"HTTP/1.1 {status}".encode()))


async def test_a_client_that_goes_before_its_body_leaves_nothing_behind(client: Client) -> None:
    head, _, _ = request("POST", RESERVE, '{"quantity":-1,"version":"*"}').partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")
    assert client.connection._body_timer is not None
    client.connection.connection_lost(None)
    assert client.connection._body_timer is None


async def test_a_request_in_pieces_is_answered_as_one(client: Client) -> None:
    raw = request("POST", RESERVE, '{"quantity":-1,"version":"*"}')
    for at in range(len(raw)):
        client.connection.data_received(raw[at : at + 1])
    await until(lambda: len(client.events.asked) == 1)
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])


async def test_a_client_that_hangs_up_takes_its_waiting_move_back(client: Client) -> None:
    client.reserve()
    client.connection.connection_lost(None)

    assert client.events.asked[0][1].cancelled()
    await asyncio.sleep(0)
    assert client.wire.written == b""


async def test_a_client_that_does_not_read_is_not_answered_further(client: Client) -> None:
    client.connection.pause_writing()
    client.connection.data_received(3 * request("GET", READ))
    assert client.wire.written == b""

    client.connection.resume_writing()

    assert client.statuses() == [200, 200, 200]


async def test_a_move_that_is_under_way_is_answered_before_the_connection_ends(
    client: Client,
) -> None:
    client.reserve()
    client.lifecycle.drain()
    client.connection.close()
    ending = asyncio.create_task(client.connection.shutdown(5.0))
    await asyncio.sleep(0)
    assert not client.wire.closed

    client.events.asked[0][1].set_result(done(7))
    await ending

    status, headers, _ = client.answers()[0]
    assert (status, headers["Connection"]) == (200, "close")
    assert client.wire.closed


async def test_a_draining_worker_takes_the_long_way_which_says_goodbye(client: Client) -> None:
    client.lifecycle.drain()
    client.send("GET", READ)
    assert client.wire.written == b""
    await until(lambda: client.wire.closed)

    assert client.answers()[0][1]["Connection"] == "close"


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
    other = Client()
    await until(lambda: other.connection._waiter is not None)
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

    monkeypatch.setattr(Conclusion, "conclude", fail)
    with pytest.raises(ZeroDivisionError):
        client.send("GET", READ)

    assert client.statuses() == [200]


async def test_only_short_targets_are_remembered_and_not_too_many(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast_path = client.connection._fast_path
    assert fast_path is not None
    known = fast_path._targets["GET"]
    monkeypatch.setattr("routes.server.fast_path.TARGETS_MAX", 2)
    longest = f"{READ}?x=".ljust(KNOWN_TARGET_BYTES_MAX, "x")
    for path in (longest, f"{longest}x"):
        client.send("GET", path)
    assert list(known) == [longest]

    client.send("GET", READ)
    client.send("GET", f"{READ}?another")

    assert list(known) == [f"{READ}?another"]
    assert client.statuses() == [200] * 4


MOVE = '{"quantity":-1,"version":"*"}'


async def test_the_longest_body_is_taken_and_one_byte_more_is_not(client: Client) -> None:
    client.send("POST", RESERVE, MOVE.ljust(BODY_BYTES_MAX))
    assert len(client.events.asked) == 1
    client.events.asked[0][1].set_result(done(7))
    await until(lambda: client.statuses() == [200])

    client.send("POST", RESERVE, MOVE.ljust(BODY_BYTES_MAX + 1))

    assert client.statuses() == [200, 413]
    assert client.wire.closed


@pytest.mark.parametrize(("length", "waits"), [(BODY_BYTES_MAX, True), (BODY_BYTES_MAX + 1, False)])
async def test_only_a_body_that_would_be_taken_is_waited_for(
    client: Client, length: int, waits: bool
) -> None:
    head, _, _ = request("POST", RESERVE, MOVE.ljust(length)).partition(b"\r\n\r\n")
    client.connection.data_received(head + b"\r\n\r\n")

    assert (client.connection._body_timer is not None) is waits
    client.connection.connection_lost(None)


async def test_only_short_bodies_that_are_good_are_remembered(client: Client) -> None:
    _known_body.cache_clear()
    for body in (MOVE.ljust(KNOWN_BODY_BYTES_MAX), MOVE.ljust(KNOWN_BODY_BYTES_MAX + 1), "{"):
        client.send("POST", RESERVE, body)
        for _, future in client.events.asked:
            if not future.done():
                future.set_result(done(7))
        await until(lambda: client.connection._exchange is None)

    assert client.statuses() == [200, 200, 400]
    assert _known_body.cache_info().currsize == 1
