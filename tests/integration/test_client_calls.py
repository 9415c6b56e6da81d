"""What callers of the clients give and get: types, options, hooks, sessions, keys, tokens."""

import asyncio
import inspect
import json
import pickle
import signal
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from evently_client import (
    AdminClient,
    ClientLimits,
    EventServiceClient,
    EventServiceError,
    InsufficientSeats,
    OutcomeUnknown,
    PublicClient,
    Retry,
    SyncAdminClient,
    SyncEventServiceClient,
    SyncPublicClient,
    Tokens,
    Unauthorized,
    Unavailable,
    key_of,
    new_key,
)
from evently_client.calls import Calls
from evently_client.sync import SyncCalls
from evently_client.testing import Break, FakeEventService

EVENT_ID = str(uuid4())
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
EVENT = {
    "event_id": EVENT_ID,
    "available_seats": 5,
    "max_tickets_per_booking": 8,
    "base_price": 25.5,
    "version": 7,
    "status": "published",
}


class Server:
    """A server that answers as a test says, and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[web.BaseRequest] = []
        self.bodies: list[Any] = []
        self.answer: Handler = answers(EVENT)
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        self.seen.append(request)
        self.bodies.append(json.loads(raw) if raw else None)
        return await self.answer(request)


def answers(body: Any, status: int = 200, **headers: str) -> Handler:
    async def handler(_: web.BaseRequest) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return handler


def refuses(status: int, code: str, **headers: str) -> Handler:
    return answers({"error": {"code": code, "message": "no", "details": {}}}, status, **headers)


async def hangs_up(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with RawTestServer(server.handle, handler_cancellation=True) as started:
        server.url = str(started.make_url("")).rstrip("/")
        yield server


# What callers give


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"seats": 1.5}, TypeError, "seats must be an int, not 1.5"),
        ({"seats": True}, TypeError, "seats must be an int, not True"),
        ({"seats": "2"}, TypeError, "seats must be an int, not '2'"),
        ({"seats": 0}, ValueError, "seats must be 1 or more"),
        ({"seats": 2**31}, ValueError, "at most 2147483647"),
        ({"version": True}, TypeError, 'version must be an int or "\\*", not True'),
        ({"version": 1.0}, TypeError, "version must be an int"),
        ({"version": "7"}, TypeError, "version must be an int"),
        ({"version": None}, TypeError, "version must be an int"),
        ({"version": 0}, ValueError, "version must be 1 or more"),
        ({"version": 2**63}, ValueError, "at most 9223372036854775807"),
        ({"on_conflict": "ignore"}, ValueError, "on_conflict must be"),
        ({"key": b"key"}, TypeError, "key must be a string"),
        ({"key": "k" * 256}, ValueError, "1 to 255 printable"),
        ({"event_id": 7}, TypeError, "event_id must be a string or a UUID"),
    ],
)
async def test_what_is_wrong_is_said_before_anything_is_sent(
    given: dict[str, Any], error: type[Exception], said: str
) -> None:
    fake = FakeEventService()
    call: dict[str, Any] = {"event_id": EVENT_ID, "seats": 1, **given}
    async with fake.client() as events:
        for method in (events.reserve, events.return_seats):
            with pytest.raises(error, match=said):
                await method(**call)
    assert fake.requests == []


async def test_the_largest_values_are_sent(server: Server) -> None:
    async with EventServiceClient(server.url, "key") as events:
        await events.reserve(UUID(EVENT_ID), 2**31 - 1, version=2**63 - 1, key="k" * 255)
    assert server.bodies[0]["quantity"] == -(2**31 - 1)
    assert server.bodies[0]["version"] == 2**63 - 1
    assert server.seen[0].path == f"/internal/events/{EVENT_ID}/update-availability"


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"base_price": 25.5}, TypeError, "a price must be a Decimal or an int"),
        ({"base_price": Decimal("1.005")}, ValueError, "two decimals"),
        ({"base_price": Decimal("NaN")}, ValueError, "0 to 9999999999.99"),
        ({"base_price": Decimal(10000000000)}, ValueError, "0 to 9999999999.99"),
        ({"total_capacity": 1.0}, TypeError, "total_capacity must be an int"),
        ({"start_datetime": "2030-01-01"}, TypeError, "start_datetime must be a datetime"),
        ({"end_datetime": datetime(2030, 1, 1)}, ValueError, "must have a time zone"),  # noqa: DTZ001
        ({"version": True}, TypeError, "version must be an int"),
        ({"name": b"Aida"}, TypeError, "bytes"),
    ],
)
async def test_an_admins_wrong_values_are_said_before_anything_is_sent(
    server: Server, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    async with AdminClient(server.url) as admin:
        with pytest.raises(error, match=said):
            await admin.update_event(**{"event_id": EVENT_ID, "version": 1, **given})
    assert server.seen == []


async def test_prices_are_sent_exactly(server: Server) -> None:
    server.answer = refuses(400, "VALIDATION_ERROR")
    async with AdminClient(server.url) as admin:
        with pytest.raises(EventServiceError):
            await admin.update_event(EVENT_ID, 1, base_price=Decimal("9999999999.99"))
    assert server.bodies == [{"version": 1, "base_price": 9999999999.99}]


async def test_filters_are_sent_encoded(server: Server) -> None:
    server.answer = answers({"events": [], "total": 0, "page": 2, "limit": 5, "has_more": False})
    at = datetime(2030, 1, 1, 12, tzinfo=UTC)
    async with PublicClient(server.url) as public:
        page = await public.list_events(city="Besançon & co", date_from=at, page=2, limit=5)
    assert (page.events, page.page, page.has_more) == ((), 2, False)
    assert dict(server.seen[0].query) == {
        "city": "Besançon & co",
        "date_from": at.isoformat(),
        "page": "2",
        "limit": "5",
    }


# What callers get


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": True},
        {"version": 7.0},
        {"available_seats": "5"},
        {"base_price": "25.5"},
        {"base_price": None},
        {"status": 1},
    ],
)
async def test_an_answer_of_other_types_is_not_an_event(
    server: Server, wrong: dict[str, Any]
) -> None:
    server.answer = answers({**EVENT, **wrong})
    async with EventServiceClient(server.url, "key", limits=ClientLimits(tries_max=1)) as events:
        with pytest.raises(Unavailable) as caught:
            await events.get_event(EVENT_ID)
    assert caught.value.code == "BAD_ANSWER"


async def test_fields_of_a_newer_service_are_ignored(server: Server) -> None:
    server.answer = answers({**EVENT, "held_seats": 3})
    async with EventServiceClient(server.url, "key") as events:
        assert (await events.get_event(EVENT_ID)).available_seats == 5


@pytest.mark.parametrize(("header", "seconds"), [({}, None), ({"Retry-After": "7"}, 7.0)])
async def test_an_error_says_when_to_come_back(
    server: Server, header: dict[str, str], seconds: float | None
) -> None:
    server.answer = refuses(503, "OVERLOADED", **header)
    async with EventServiceClient(server.url, "key", limits=ClientLimits(tries_max=1)) as events:
        with pytest.raises(Unavailable) as caught:
            await events.reserve(EVENT_ID, 1)
    assert caught.value.retry_after_s == seconds


async def test_an_error_survives_a_task_queue() -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=1)
    async with fake.client() as events:
        with pytest.raises(InsufficientSeats) as caught:
            await events.reserve(event_id, 2)
    thawed = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (thawed.available, thawed.key, str(thawed)) == (1, caught.value.key, str(caught.value))


def test_tokens_do_not_show_in_logs() -> None:
    assert repr(Tokens("secret-a", "secret-b")) == "Tokens(...)"


# Options


async def test_options_go_to_the_service_and_are_shared_by_no_other_call(server: Server) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with EventServiceClient(server.url, "key") as events:
        booking = events.with_options(request_id="booking-7", traceparent=trace)
        await booking.with_options(timeout_s=5).get_event(EVENT_ID)
        await events.get_event(EVENT_ID)
    sent = [
        (request.headers.get("X-Request-ID"), request.headers.get("traceparent"))
        for request in server.seen
    ]
    assert sent == [("booking-7", trace), (None, None)]


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"timeout_s": "5"}, TypeError),
        ({"timeout_s": True}, TypeError),
        ({"timeout_s": 0}, ValueError),
        ({"timeout_s": float("nan")}, ValueError),
        ({"request_id": 7}, TypeError),
        ({"request_id": "two words"}, ValueError),
        ({"request_id": "x" * 65}, ValueError),
        ({"traceparent": "00-xyz"}, ValueError),
    ],
)
def test_options_that_the_service_would_ignore_are_refused(
    given: dict[str, Any], error: type[Exception]
) -> None:
    events = FakeEventService().client()
    with pytest.raises(error, match=next(iter(given))):
        events.with_options(**given)


async def test_a_timeout_bounds_the_call_with_all_of_its_tries() -> None:
    fake = FakeEventService()
    event_id = fake.add_event()
    fake.break_next(Break.SILENCE)
    async with fake.client() as events:
        with pytest.raises(OutcomeUnknown) as caught:
            await events.with_options(timeout_s=0.1).reserve(event_id, 1)
        assert (await events.reserve(event_id, 1, key=caught.value.key)).replayed
    assert (caught.value.code, len(fake.requests)) == ("TIMEOUT", 2)


async def test_the_hook_is_told_of_every_retry() -> None:
    fake = FakeEventService()
    event_id = fake.add_event()
    told: list[Retry] = []
    fake.break_next(Break.OVERLOADED, Break.LOST_ANSWER)
    async with fake.client(on_retry=told.append) as events:
        await events.reserve(event_id, 1, key="mine")
    first, second = told
    assert (first.call, first.key, first.code, first.status) == (
        *("reserve", "mine", "OVERLOADED", 503),
    )
    assert (second.code, second.status, second.tries) == ("CONNECTION_LOST", None, 2)
    assert [first.wait_s, second.wait_s] == fake.waits
    assert first.wait_s >= 1.0, "Retry-After"


async def test_what_the_hook_raises_ends_the_call() -> None:
    fake = FakeEventService()
    event_id = fake.add_event()

    def gives_up(retry: Retry) -> None:
        raise RuntimeError(retry.key)

    fake.break_next(Break.LOST_ANSWER)
    async with fake.client(on_retry=gives_up) as events:
        with pytest.raises(RuntimeError, match="mine"):
            await events.reserve(event_id, 1, key="mine")
    assert len(fake.requests) == 1


async def test_a_given_session_is_used_and_left_open(server: Server) -> None:
    async with aiohttp.ClientSession(headers={"X-Of-The-Session": "yes"}) as session:
        async with EventServiceClient(server.url, "key", session=session) as events:
            await events.get_event(EVENT_ID)
        assert not session.closed
    assert server.seen[0].headers["X-Of-The-Session"] == "yes"
    assert server.seen[0].headers["X-API-Key"] == "key"


async def test_a_given_session_keeps_its_middlewares(server: Server) -> None:
    async def signs(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    server.answer = refuses(404, "EVENT_NOT_FOUND")
    async with aiohttp.ClientSession(middlewares=(signs,)) as session:
        admin = AdminClient(server.url, Tokens("a", "r"), session=session)
        for call in (admin.get_event(EVENT_ID), admin.update_event(EVENT_ID, 1, name="Aida")):
            with pytest.raises(EventServiceError):
                await call
    assert [request.headers.get("X-Signed") for request in server.seen] == ["yes", "yes"]


async def test_a_tls_context_says_whom_to_trust(tmp_path: Path) -> None:
    file = tmp_path / "localhost.pem"
    file.write_text(LOCALHOST)
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(file)
    trusts = ssl.create_default_context(cafile=file)
    server = Server()
    started = RawTestServer(server.handle)
    await started.start_server(ssl=speaks)
    url = f"https://127.0.0.1:{started.port}"
    try:
        async with EventServiceClient(url, "key", ssl=trusts) as events:
            assert (await events.get_event(EVENT_ID)).version == 7
        one_try = ClientLimits(tries_max=1)
        async with EventServiceClient(url, "key", limits=one_try) as events:
            with pytest.raises(Unavailable, match="UNREACHABLE"):
                await events.get_event(EVENT_ID)
    finally:
        await started.close()


# Keys of calls that were cut short


async def cut_by_cancel(call: Awaitable[Any]) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.05)
    task.cancel()
    await task


async def cut_by_timeout(call: Awaitable[Any]) -> None:
    async with asyncio.timeout(0.05):
        await call


async def cut_by_wait_for(call: Awaitable[Any]) -> None:
    await asyncio.wait_for(call, 0.05)


@pytest.mark.parametrize("cut", [cut_by_cancel, cut_by_timeout, cut_by_wait_for])
async def test_the_key_of_a_call_cut_short_is_in_the_exception(
    cut: Callable[[Awaitable[Any]], Awaitable[None]],
) -> None:
    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    fake.break_next(Break.SILENCE)
    async with fake.client() as events:
        with pytest.raises((asyncio.CancelledError, TimeoutError)) as caught:
            await cut(events.reserve(event_id, 2))
        key = key_of(caught.value)
        assert key is not None
        assert (await events.reserve(event_id, 2, key=key)).replayed
    assert fake.event(event_id).available_seats == 3


def test_other_errors_have_no_key() -> None:
    ring = ValueError()
    ring.__context__ = TypeError()
    ring.__context__.__context__ = ring
    assert key_of(ring) is None
    assert new_key() != new_key()


# Changes without a key


async def test_a_change_whose_answer_was_lost_is_not_sent_again(server: Server) -> None:
    async with AdminClient(server.url, Tokens("a", "r")) as admin:
        server.answer = refuses(404, "EVENT_NOT_FOUND")
        with pytest.raises(EventServiceError):
            await admin.get_event(EVENT_ID)
        server.answer = hangs_up
        for call in (
            admin.update_event(EVENT_ID, 1, name="Aida"),
            admin.cancel_event(EVENT_ID, 1),
            admin.delete_venue(EVENT_ID),
        ):
            with pytest.raises(OutcomeUnknown) as caught:
                await call
            assert (caught.value.key, caught.value.tries) == (None, 1)
    assert [request.method for request in server.seen] == ["GET", "PUT", "DELETE", "DELETE"]


async def test_a_change_that_was_surely_not_made_is_sent_again(server: Server) -> None:
    busy = [refuses(503, "OVERLOADED"), refuses(503, "DATABASE_UNAVAILABLE")]

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        handler = busy.pop() if busy else answers({"message": "Venue deleted"})
        return await handler(request)

    server.answer = answer
    async with AdminClient(server.url, Tokens("a", "r")) as admin:
        await admin.delete_venue(EVENT_ID)
    assert len(server.seen) == 3


# Tokens


class Tokened(Server):
    """Refuses all but the newest access token, and takes a refresh token once."""

    def __init__(self) -> None:
        super().__init__()
        self.round = 1
        self.refreshes = 0
        self.answer = self.answer_by_token
        self.slow = asyncio.Event()
        self.slow.set()

    async def answer_by_token(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/refresh"):
            self.refreshes += 1
            if self.bodies[-1] != {"refresh_token": f"r{self.round - 1}"}:
                return await refuses(401, "UNAUTHORIZED")(request)
            await self.slow.wait()
            pair = {"access_token": f"a{self.round}", "refresh_token": f"r{self.round}"}
            return await answers(pair)(request)
        if request.headers.get("Authorization") != f"Bearer a{self.round}":
            return await refuses(401, "UNAUTHORIZED")(request)
        return await answers({"venues": [], "total": 0, "page": 1, "limit": 20})(request)


@pytest.fixture
async def tokened() -> AsyncIterator[Tokened]:
    server = Tokened()
    async with RawTestServer(server.handle) as started:
        server.url = str(started.make_url("")).rstrip("/")
        yield server


async def test_an_expired_token_is_renewed_once_for_all_who_meet_it(tokened: Tokened) -> None:
    async with AdminClient(tokened.url, Tokens("a0", "r0")) as admin:
        await asyncio.gather(*(admin.list_venues() for _ in range(10)))
        assert tokened.refreshes == 1
        assert admin.tokens == Tokens("a1", "r1")
        tokened.round = 2
        await admin.with_options(timeout_s=5).list_venues()
        assert admin.tokens == Tokens("a2", "r2"), "a client with options shares the login"


async def test_who_is_cancelled_takes_no_token_along(tokened: Tokened) -> None:
    tokened.slow.clear()
    async with AdminClient(tokened.url, Tokens("a0", "r0")) as admin:
        call = asyncio.create_task(admin.list_venues())
        while not tokened.refreshes:
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        tokened.slow.set()
        await admin.list_venues()
    assert tokened.refreshes == 1


async def test_a_refresh_token_that_is_used_up_ends_the_login(tokened: Tokened) -> None:
    tokened.round = 7
    async with AdminClient(tokened.url, Tokens("a0", "r0")) as admin:
        with pytest.raises(Unauthorized):
            await admin.list_venues()
    assert tokened.refreshes == 1


# The synchronous form


@pytest.mark.parametrize(
    ("waits", "awaits"),
    [
        (SyncEventServiceClient, EventServiceClient),
        (SyncPublicClient, PublicClient),
        (SyncAdminClient, AdminClient),
    ],
)
def test_every_call_has_its_synchronous_form(
    waits: type[SyncCalls[Any]], awaits: type[Calls]
) -> None:
    calls = {
        name
        for name, found in inspect.getmembers(awaits, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert calls <= set(dir(waits))
    for name in calls - {"close"}:
        assert inspect.signature(getattr(waits, name)) == inspect.signature(getattr(awaits, name))


def test_threads_share_a_client() -> None:
    before = set(threading.enumerate())
    fake = FakeEventService()
    event_id = fake.add_event(seats=100)
    with fake.sync_client() as events:
        threads = [
            threading.Thread(target=lambda: [events.reserve(event_id, 1) for _ in range(5)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert events.with_options(timeout_s=3).get_event(event_id).available_seats == 60
    assert set(threading.enumerate()) == before


def test_an_interrupted_call_ends_and_tells_its_key() -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    fake = FakeEventService()
    event_id = fake.add_event(seats=5)
    fake.break_next(Break.SILENCE)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with fake.sync_client() as events:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Interrupted) as caught:
                events.reserve(event_id, 2)
            key = key_of(caught.value)
            assert key is not None
            assert events.reserve(event_id, 2, key=key).replayed
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_client_that_was_used_before_a_fork_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeEventService()
    event_id = fake.add_event()
    with fake.sync_client() as events:
        events.get_event(event_id)
        with monkeypatch.context() as patched:
            patched.setattr("os.getpid", lambda: -1)
            with pytest.raises(RuntimeError, match="before the fork"):
                events.get_event(event_id)


# For localhost and 127.0.0.1, until 2126; nobody's.
LOCALHOST = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgb0aoVCjRMCdIIZ16
fpneBNcmG9u/vGKvYT2uO9hHk1OhRANCAARc2UejCowcyReRdu3FCHqDKK6W2rhc
Vi/tiVOkQtY22IbQlXIguusO1U+62HE6yZeZbHBOxR/W+fYGTGCdVoZ0
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUZNbpolxUQIynfIk1l9xqyJJqkdIwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODEzMjkxNloYDzIxMjYxMTA0
MTMyOTE2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARc2UejCowcyReRdu3FCHqDKK6W2rhcVi/tiVOkQtY22IbQlXIguusO
1U+62HE6yZeZbHBOxR/W+fYGTGCdVoZ0o28wbTAdBgNVHQ4EFgQUJi3u1oXud48h
VmUlvPDPq0cuvVgwHwYDVR0jBBgwFoAUJi3u1oXud48hVmUlvPDPq0cuvVgwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgcAajaHWShc0LIa0hsYgrYCa9AKULXNCMJrqRkg/HknUCIQC9
fTwrEuQ0GbZnR01nc+aXUmIJuMt6aiKE6Ot6+SckJA==
-----END CERTIFICATE-----
"""
