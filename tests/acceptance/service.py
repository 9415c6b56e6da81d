"""The real service as an operator runs it, for tests that only talk to it from outside.

Rule: whoever stops a service has proven that it went well: exit code 0, no traceback in its log,
none of its processes left. Waiting means looking for a fact until it shows, never for a time.
"""

import asyncio
import http.client
import inspect
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, overload
from uuid import uuid4

import aiohttp
import asyncpg
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from actors.peers.ring import Ring
from tests.acceptance.contract import AnswerChecker

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
INTERNAL_KEY = "acceptance-0123456789abcdef"
JWT_SECRET = "Q7w9Zt4kLm2Xv8Rb1Nc6Yp3Hd5Jf0Gs-acceptance"
# The supervisor's own grace, and some.
STOP_S = 20.0
# Four workers import for seconds on a busy machine with two processors.
START_S = 60.0
POLL_S = 0.02
PROBE_S = 5.0
LOG_TAIL_CHARACTERS = 6000
# What a booking service would do after 503, or after a connection broke.
TRY_AGAIN_S = 0.03
GIVE_UP_S = 30.0

_BANNER = re.compile(r"Evently Event Service +http://127\.0\.0\.1:([0-9]+)")
_INDEX = re.compile(r"--index=([0-9]+)")
_NOTHING: Any = object()
_emails = itertools.count(1)


@overload
async def until(fact: Callable[[], Awaitable[T]], within_s: float = ..., what: str = ...) -> T: ...
@overload
async def until(fact: Callable[[], T], within_s: float = ..., what: str = ...) -> T: ...
async def until(fact: Callable[[], Any], within_s: float = 10.0, what: str = "the fact") -> Any:
    """What `fact` returns once it is true; AssertionError where it is not within the time."""
    deadline_s = time.monotonic() + within_s
    while True:
        found = fact()
        shown = await found if inspect.isawaitable(found) else found
        if shown:
            return shown
        if time.monotonic() > deadline_s:
            raise AssertionError(f"{what} did not show within {within_s} s")
        await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.body[:400]!r}>"

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The error code; None for a success."""
        if self.status < http.HTTPStatus.BAD_REQUEST:
            return None
        code: str = self.json["error"]["code"]
        return code

    @property
    def details(self) -> dict[str, Any]:
        """What an error tells beside its code."""
        details: dict[str, Any] = self.json["error"]["details"]
        return details


@dataclass(frozen=True, slots=True)
class Heard:
    """One seat move as its caller saw it, after as many tries as it took.

    `lost` counts the tries whose connection broke, `busy` those that got 503; `status` is None
    where no try was answered in time.
    """

    event_id: str
    key: str
    status: int | None
    answer: dict[str, Any]
    replayed: bool
    lost: int
    busy: int
    sent_s: float
    heard_s: float

    @property
    def ok(self) -> bool:
        """Whether the caller was told that the seats moved."""
        return self.status == http.HTTPStatus.OK


class Service:
    """`python -m evently serve` with its workers, in a session of its own."""

    def __init__(
        self,
        database_url: str | None,
        workers: int,
        *,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.workers = workers
        self.database_url = database_url
        self.internal_key = INTERNAL_KEY
        self.tolerated: list[str] = []
        self._data_dir = data_dir
        self._settings = dict(settings or {})
        self._ring = Ring(workers)
        self._popen: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._folder = tempfile.TemporaryDirectory(prefix="evently-service-")
        self._log = Path(self._folder.name) / "log"
        self._log.touch()
        self._checker: AnswerChecker | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._admin: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<Service {self.url} {self.workers} workers>"

    # Its process

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._popen is not None, "the service was never started"
        return self._popen.pid

    @property
    def port(self) -> int:
        """The public port; the same after a restart."""
        return self._port

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> float:
        """Start it and wait until it is ready; the seconds that took."""
        started_s = time.monotonic()
        seen = len(self.log())
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                [
                    *(sys.executable, "-m", "evently", "serve", "--host", "127.0.0.1"),
                    *("--port", str(self._port), "--workers", str(self.workers)),
                ],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._port = self._announced(seen)
        self._wait(lambda: self.probe("/health/ready") == http.HTTPStatus.OK, "readiness")
        return time.monotonic() - started_s

    def environment(self) -> dict[str, str]:
        """What the service and its commands are started with."""
        environ = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("EVENTLY_", "OTEL_"))
        }
        environ["EVENTLY_LOG_FORMAT"] = "text"
        # What one that is killed leaves behind goes with the test.
        environ["TMPDIR"] = self._folder.name
        if self.database_url is not None:
            environ["EVENTLY_DATABASE_URL"] = self.database_url
        if self._data_dir is not None:
            environ["EVENTLY_DATA_DIR"] = str(self._data_dir)
        environ["EVENTLY_INTERNAL_API_KEYS"] = f"acceptance:{INTERNAL_KEY}"
        environ["EVENTLY_JWT_SECRET"] = JWT_SECRET
        return environ | self._settings

    def stop(self) -> None:
        """Stop it as an operator does. Raises AssertionError where that is not clean."""
        self.terminate()
        self.wait_stopped()

    def terminate(self) -> None:
        """Ask the supervisor to stop."""
        assert self._popen is not None, "the service was never started"
        self._popen.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> None:
        """Wait for the end after `terminate`, and check that it was clean."""
        code = self.wait_ended()
        assert code == 0, f"exit code {code}"
        self.assert_gone()
        self.assert_no_traceback()

    @property
    def ended(self) -> int | None:
        """The supervisor's exit code; None while it runs."""
        return None if self._popen is None else self._popen.poll()

    def wait_ended(self) -> int:
        """Wait for the supervisor's end; its exit code."""
        assert self._popen is not None, "the service was never started"
        return self._popen.wait(STOP_S)

    def assert_gone(self, within_s: float = 0.0) -> None:
        """Check that no process of the service is left, and nobody listens on its port."""
        self._wait(lambda: not self.processes(), "the end of every process", within_s)
        assert self.probe("/healthz") is None, "somebody still answers on the port"

    def kill(self) -> None:
        """End every process of it at once."""
        assert self._popen is not None, "the service was never started"
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def kill_supervisor(self) -> None:
        """End the supervisor at once, and nothing else."""
        assert self._popen is not None, "the service was never started"
        self._popen.kill()
        self._popen.wait()

    def roll(self) -> None:
        """Have the workers replaced one by one."""
        os.kill(self.pid, signal.SIGHUP)

    def discard(self) -> None:
        """Whatever became of it: leave no process and no file behind."""
        if self._popen is not None:
            self.kill()
        self._folder.cleanup()

    def processes(self) -> dict[int, str]:
        """The command lines of its live processes, the embedded PostgreSQL's too, by id."""
        assert self._popen is not None, "the service was never started"
        found = {}
        for process in _live_processes():
            ours = process.session == self._popen.pid
            if ours or (self._data_dir and str(self._data_dir) in process.command):
                found[process.pid] = process.command
        return found

    def worker_pids(self) -> dict[int, int]:
        """The newest process of each worker, by the worker's index."""
        found: dict[int, tuple[int, int]] = {}
        for process in _live_processes():
            index = _INDEX.search(process.command)
            if process.parent != self.pid or index is None:
                continue
            place = int(index[1])
            found[place] = max(found.get(place, (0, 0)), (process.started, process.pid))
        return {place: pid for place, (_, pid) in sorted(found.items())}

    def owner(self, event_id: str) -> int:
        """The index of the worker that owns the event."""
        return self._ring.owner(event_id)

    def owner_pid(self, event_id: str) -> int:
        """The process of the worker that owns the event."""
        return self.worker_pids()[self.owner(event_id)]

    def probe(self, path: str) -> int | None:
        """The status of a GET on a connection of its own; None where there was no answer."""
        found = self._probe(path)
        return found[0] if found else None

    def probe_text(self, path: str) -> str | None:
        """The body of a GET on a connection of its own; None where there was no answer."""
        found = self._probe(path)
        return found[1].decode() if found else None

    def _probe(self, path: str) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PROBE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _announced(self, seen: int) -> int:
        def banner() -> re.Match[str] | None:
            return _BANNER.search(self.log()[seen:])

        self._wait(lambda: banner() is not None, "the banner")
        found = banner()
        assert found is not None
        return int(found[1])

    def _wait(self, fact: Callable[[], bool], what: str, within_s: float = START_S) -> None:
        assert self._popen is not None, "the service was never started"
        deadline_s = time.monotonic() + within_s
        while not fact():
            problem = None
            if within_s == START_S and self._popen.poll() is not None:
                problem = f"the service ended with {self._popen.returncode} before {what}"
            elif time.monotonic() > deadline_s:
                problem = f"{what} did not come; there are {self.processes()}"
            assert problem is None, f"{problem}\n{self.log_tail()}"
            time.sleep(POLL_S)

    # Its log

    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """The last of what it has written, for a test that failed."""
        return self.log()[-LOG_TAIL_CHARACTERS:] if self._log.exists() else "(gone)"

    def assert_no_traceback(self, since: int = 0) -> None:
        """Check that no bug showed in the log, but for what a test tolerates."""
        text = self.log()[since:]
        for tolerated in self.tolerated:
            text = text.replace(tolerated, "")
        assert "Traceback (most recent call last)" not in text, f"the log has a traceback:\n{text}"

    # Its commands and its database

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `evently` with the service's settings."""
        return subprocess.run(
            [sys.executable, "-m", "evently", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def verify(self) -> None:
        """Check with `evently verify` that every event is what its ledger says."""
        done = self.run("verify")
        assert done.returncode == 0, f"verify: {done.stdout}{done.stderr}"

    async def rows(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """The rows of a statement in the service's database."""
        assert self.database_url is not None, "the embedded database is the service's own"
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def ledger(self, event_id: str) -> list[asyncpg.Record]:
        """Every version of the event, in order."""
        return await self.rows(
            "SELECT * FROM event_ledger WHERE event_id = $1 ORDER BY version", event_id
        )

    # Its API

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["Service"]:
        """Within it, requests can be sent from the running loop."""
        patience = aiohttp.ClientTimeout(total=30)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=patience
            ) as session,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=patience
            ) as fresh,
        ):
            self._session, self._fresh = session, fresh
            try:
                yield self
            finally:
                self._session = self._fresh = None

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = _NOTHING,
        raw: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Send `body` as JSON, or the bytes `raw`; `fresh` makes a connection for this alone."""
        session = self._fresh if fresh else self._session
        assert session is not None, "the service is not connected"
        sent = CIMultiDict(headers or {})
        data = raw
        if body is not _NOTHING:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = URL(self.url + path, encoded=True)
        async with session.request(
            method, url, data=data, headers=sent, allow_redirects=False
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = _NOTHING,
        raw: bytes | None = None,
        fresh: bool = False,
    ) -> Answer:
        """`send`, with the answer held against the service's own OpenAPI document."""
        answer = await self.send(method, path, headers=headers, body=body, raw=raw, fresh=fresh)
        checker = await self.checker()
        pattern = checker.pattern_of(path)
        checker.check(method, pattern, answer.status, answer.headers, answer.body)
        return answer

    async def checker(self) -> AnswerChecker:
        """What answers are held against."""
        if self._checker is None:
            document = await self.send("GET", "/openapi.json")
            self._checker = AnswerChecker(document.json)
        return self._checker

    @property
    def internal(self) -> dict[str, str]:
        """The headers of the booking service."""
        return {"X-API-Key": self.internal_key}

    async def register_admin(self, **over: Any) -> dict[str, str]:
        """The headers of a new admin."""
        body = {
            "email": f"admin-{next(_emails)}-{uuid4().hex[:8]}@example.org",
            "password": "correct horse battery",
            "name": "Ada",
        }
        answer = await self.call("POST", "/api/v1/auth/admin/register", body=body | over)
        assert answer.status == http.HTTPStatus.CREATED, answer
        return {"Authorization": f"Bearer {answer.json['access_token']}"}

    async def admin(self) -> dict[str, str]:
        """The headers of an admin whom tests share, since each new one costs a bcrypt hash."""
        if self._admin is None:
            self._admin = await self.register_admin()
        return self._admin

    async def create_venue(self, headers: Mapping[str, str], **over: Any) -> dict[str, Any]:
        """A new venue, for 100 000 unless told otherwise."""
        body = {
            "name": "Hall",
            "address": "1 Street",
            "city": "Oslo",
            "country": "Norway",
            "capacity": 100_000,
        }
        answer = await self.call("POST", "/api/v1/admin/venues", headers=headers, body=body | over)
        assert answer.status == http.HTTPStatus.CREATED, answer
        venue: dict[str, Any] = answer.json
        return venue

    async def create_event(
        self, headers: Mapping[str, str], venue_id: str, **over: Any
    ) -> dict[str, Any]:
        """A new draft, of 100 seats at 25.5 unless told otherwise."""
        body = new_event(venue_id, **over)
        answer = await self.call("POST", "/api/v1/admin/events", headers=headers, body=body)
        assert answer.status == http.HTTPStatus.CREATED, answer
        event: dict[str, Any] = answer.json
        return event

    async def publish(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> dict[str, Any]:
        """The event, published."""
        answer = await self.change(headers, event, status="published")
        assert answer.status == http.HTTPStatus.OK, answer
        published: dict[str, Any] = answer.json
        return published

    async def published_event(self, **over: Any) -> dict[str, Any]:
        """A new event of the shared admin, on sale, at a venue of its own."""
        headers = await self.admin()
        venue = await self.create_venue(headers)
        return await self.publish(
            headers, await self.create_event(headers, venue["venue_id"], **over)
        )

    async def change(
        self, headers: Mapping[str, str], event: Mapping[str, Any], **changes: Any
    ) -> Answer:
        """The answer to a PUT of `changes` at the event's version."""
        path = f"/api/v1/admin/events/{event['event_id']}"
        return await self.call(
            "PUT", path, headers=headers, body={"version": event["version"]} | changes
        )

    async def cancel(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> Answer:
        """The answer to a DELETE at the event's version."""
        path = f"/api/v1/admin/events/{event['event_id']}"
        return await self.call("DELETE", path, headers=headers, body={"version": event["version"]})

    async def reserve(
        self, event_id: str, seats: int, *, key: str | None = None, fresh: bool = False, **body: Any
    ) -> Answer:
        """The answer to taking `seats`, at any version unless told otherwise."""
        return await self.move(event_id, -seats, key=key, fresh=fresh, **body)

    async def move(
        self,
        event_id: str,
        quantity: int,
        *,
        key: str | None = None,
        fresh: bool = False,
        endpoint: str = "update-availability",
        **body: Any,
    ) -> Answer:
        """The answer to a seat move."""
        headers = self.internal | ({} if key is None else {"Idempotency-Key": key})
        sent = {"quantity": quantity, "version": "*"} | body
        path = f"/internal/events/{event_id}/{endpoint}"
        return await self.call("POST", path, headers=headers, body=sent, fresh=fresh)

    async def reserve_for_sure(
        self, event_id: str, key: str, *, seats: int = 1, fresh: bool = False, **body: Any
    ) -> Heard:
        """Take seats as a booking service does: the same key again until there is an answer."""
        headers = self.internal | {"Idempotency-Key": key}
        sent = {"quantity": -seats, "version": "*"} | body
        path = f"/internal/events/{event_id}/update-availability"
        lost = busy = 0
        sent_s = time.monotonic()
        while time.monotonic() - sent_s < GIVE_UP_S:
            try:
                answer = await self.send("POST", path, headers=headers, body=sent, fresh=fresh)
            except (aiohttp.ClientError, TimeoutError):
                lost += 1
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            if answer.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                busy += 1
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            return Heard(
                *(event_id, key, answer.status, answer.json, replayed, lost, busy),
                *(sent_s, time.monotonic()),
            )
        return Heard(event_id, key, None, {}, False, lost, busy, sent_s, time.monotonic())

    async def check_promise(self, heard: list[Heard]) -> None:
        """Check what callers heard against the ledgers: each OK once, as told; no refusal at all;
        and no version of any event missing."""
        for event_id in sorted({one.event_id for one in heard}):
            ledger = await self.ledger(event_id)
            versions = [row["version"] for row in ledger]
            assert versions == list(range(1, len(ledger) + 1)), "a version is missing"
            by_key = {row["request_key"]: row for row in ledger}
            for one in (one for one in heard if one.event_id == event_id):
                row = by_key.get(one.key)
                if one.ok:
                    assert row is not None, f"{one} is not in the ledger"
                    told = (one.answer["version"], one.answer["available_seats"])
                    assert told == (row["version"], row["available_seats"]), f"{one} is otherwise"
                elif one.status is not None:
                    assert row is None, f"{one} is in the ledger"


def new_event(venue_id: str, **over: Any) -> dict[str, Any]:
    """The body of a new event."""
    return {
        "name": "Night",
        "description": "A night to remember",
        "venue_id": venue_id,
        "event_type": "concert",
        "start_datetime": "2035-06-01T20:00:00Z",
        "end_datetime": "2035-06-01T23:00:00Z",
        "total_capacity": 100,
        "base_price": 25.5,
        "max_tickets_per_booking": 6,
    } | over


def from_now(seconds: float) -> str:
    """A time so far ahead, as RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Start `service`; at the end stop it cleanly, unless the test has ended it by itself."""
    try:
        service.start()
        yield service
        if service.processes():
            service.stop()
    finally:
        service.discard()


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    session: int
    started: int
    command: str


def _live_processes() -> Iterator[_Process]:
    """Every process of this machine that is no zombie, as Linux tells it under /proc."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The second field is a name in brackets, which may hold anything.
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        state, parent, _, session = stat[:4]
        if state not in "ZX":
            yield _Process(int(folder.name), int(parent), int(session), int(stat[19]), command)


def raw_socket(service: Service) -> socket.socket:
    """A connection to the service that nobody speaks HTTP on yet."""
    return socket.create_connection(("127.0.0.1", service.port), timeout=10)
