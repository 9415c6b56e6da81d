"""One connection to a service whose events are in the test's hand, without a socket.

Rule: the bytes of requests go in at one end and the bytes of responses come out there; what the
events answer, and when, is the test's to say.
"""

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from actors.bulk_moves import BulkMoves
from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.outcomes import Answer, Done
from evently.domain.state import EventState, Status
from evently.metrics import make_metrics
from routes.api import ENDPOINTS
from routes.auth.internal_keys import InternalKeys
from routes.server.admission import Admission
from routes.server.connection import BODY_GRACE_S, LINGER_S, EdgeServer
from routes.server.dispatch import Dispatcher
from routes.server.fast_path import FastPath
from routes.server.loop_turns import READS_MAX
from routes.server.targets import Targets
from routes.services import Lifecycle, Services
from tests.examples import EVENT, NOW, PRICE, published

KEY = "internal-key-0123456789"
RESERVE = f"/internal/events/{EVENT}/update-availability"
READ = f"/internal/events/{EVENT}"
MOVE = '{"quantity":-1,"version":"*"}'


class Events:
    """Events that answer when the test says so; reads answer at once while `state` is there."""

    def __init__(self) -> None:
        self.clock = DatabaseClock()
        self.clock.tell(NOW, self.clock.monotonic())
        self.asked: list[tuple[Request, asyncio.Future[Answer]]] = []
        self.ids: list[str] = []
        self.reads: list[asyncio.Future[EventState | None]] = []
        self.state: EventState | None = published()
        self.fault: Exception | None = None

    def submit(self, event_id: str, request: Request) -> "asyncio.Future[Answer]":
        if self.fault is not None:
            raise self.fault
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((request, future))
        self.ids.append(event_id)
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
        self.closed = False
        self.ended = False
        self.aborted = False
        self.paused = False
        self.protocol: asyncio.Protocol | None = None

    def write(self, data: Any) -> None:
        assert not self.closed, "nothing is written after the end"
        assert not self.ended, "nor after the end of this side"
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        """End at once; the protocol hears of it in the next turn of the loop."""
        assert self.protocol is not None, "it is connected"
        self.closed = self.aborted = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        assert not self.closed, "nothing is read after the end"
        self.paused = False


class Client:
    """A client and its connection to a service whose events are in the test's hand."""

    def __init__(
        self,
        body_grace_s: float = BODY_GRACE_S,
        linger_s: float = LINGER_S,
        reads_max: int = READS_MAX,
    ) -> None:
        self.events = Events()
        self.lifecycle = Lifecycle()
        metrics = make_metrics()
        self.metrics = metrics
        services = cast(
            Services,
            SimpleNamespace(
                events=self.events,
                bulk_moves=BulkMoves(self.events.submit, UnknownOutcomes()),
                lifecycle=self.lifecycle,
                internal_keys=InternalKeys({"booking": [KEY]}),
                observer=metrics,
                cors_origins=frozenset(),
            ),
        )
        admission = Admission(services)
        self.server = EdgeServer(
            Dispatcher(ENDPOINTS, admission),
            services.observer,
            FastPath(Targets(ENDPOINTS), admission),
            body_grace_s=body_grace_s,
            linger_s=linger_s,
            reads_max=reads_max,
        )
        self.wire = Wire()
        self.connection = self.wire.protocol = self.server()
        self.connection.connection_made(self.wire)

    def send(self, method: str, path: str, body: str = "", *headers: str) -> None:
        self.connection.data_received(request(method, path, body, *headers))

    def reserve(self, seats: int = 1) -> None:
        self.send("POST", RESERVE, f'{{"quantity":-{seats},"version":"*"}}')

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
    return Done(version, left, Status.PUBLISHED, NOW, unit_price=PRICE)


async def until(fact: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    for _ in range(100):
        if fact():
            return
        await asyncio.sleep(0)
    raise AssertionError("it does not come to that")


def tasks() -> int:
    return len(asyncio.all_tasks())


async def connected(body_grace_s: float = BODY_GRACE_S, linger_s: float = LINGER_S) -> Client:
    """A client whose connection is ready for its first request."""
    client = Client(body_grace_s, linger_s)
    await until(lambda: client.connection.idle)
    return client
