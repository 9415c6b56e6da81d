"""The client against a real small server that misbehaves as it is told to."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, unused_port

from evently_client import (
    ClientLimits,
    ConcurrentUpdate,
    EventForBooking,
    EventNotFound,
    EventNotModifiable,
    EventNotOnSale,
    EventServiceClient,
    EventServiceError,
    InsufficientSeats,
    InvalidRequest,
    KeyReused,
    OutcomeUnknown,
    Refused,
    SeatsExceedCapacity,
    SeatsMoved,
    Unauthorized,
    Unavailable,
)
from evently_client.course import PROOFS
from evently_client.transport import HttpTransport
from routes.contract.errors import Code
from routes.openapi.error_table import ERRORS

EVENT_ID = "0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10"
API_KEY = "booking-key-of-the-test"
Step = Callable[["Service", web.BaseRequest, bytes], Awaitable[web.StreamResponse]]


class Service:
    """One event with seats, keys and versions, and a script of what to do to each request."""

    def __init__(self, *script: Step) -> None:
        self.script = list(script)
        self.seen: list[tuple[str, str, dict[str, Any] | None, str | None]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.available = 100
        self.version = 7
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        assert request.headers["X-API-Key"] == API_KEY
        body = json.loads(raw) if raw else None
        key = request.headers.get("Idempotency-Key")
        self.seen.append((request.method, request.path, body, key))
        step = self.script.pop(0) if self.script else answers
        return await step(self, request, raw)

    def move(self, request: web.BaseRequest, raw: bytes) -> web.Response:
        """What a service that is well does."""
        if request.method == "GET":
            return reply(200, self.event())
        body = json.loads(raw)
        key = request.headers["Idempotency-Key"]
        if key in self.answers:
            return reply(200, self.answers[key], {"Idempotent-Replayed": "true"})
        if body["version"] not in {"*", self.version} and body.get("on_conflict") != "retry":
            return conflict(self.version, self.available)
        self.available += body["quantity"]
        self.version += 1
        self.answers[key] = self.moved()
        return reply(200, self.answers[key])

    def moved(self) -> dict[str, Any]:
        return {
            "event_id": EVENT_ID,
            "available_seats": self.available,
            "status": "published",
            "version": self.version,
        }

    def event(self) -> dict[str, Any]:
        return {**self.moved(), "max_tickets_per_booking": 8, "base_price": 25.5}

    @property
    def keys(self) -> list[str | None]:
        return [key for _, _, _, key in self.seen]

    @property
    def versions(self) -> list[Any]:
        return [body["version"] for _, _, body, _ in self.seen if body is not None]


def reply(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=json.dumps(body), content_type="application/json", headers=headers
    )


def problem(http: int, code: str, /, **details: Any) -> web.Response:
    error = {"code": code, "message": code.lower(), "details": details, "timestamp": "now"}
    return reply(http, {"error": error}, {"X-Request-ID": "req-1"})


def conflict(current: int, available: int) -> web.Response:
    details = {"current_version": current, "available_seats": available, "status": "published"}
    return problem(409, "CONCURRENT_UPDATE", event_id=EVENT_ID, **details)


async def answers(service: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
    return service.move(request, raw)


async def drops_after(service: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
    """Move the seats and hang up without a word."""
    service.move(request, raw)
    return await drops_before(service, request, raw)


async def drops_before(_: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def half_an_answer(
    service: Service, request: web.BaseRequest, raw: bytes
) -> web.StreamResponse:
    """Move the seats, and break off in the middle of saying so."""
    service.move(request, raw)
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"event_id":')
    assert request.transport is not None
    request.transport.close()
    return response


async def stalls_after(service: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
    """Move the seats, and say so when nobody listens any more."""
    service.move(request, raw)
    await asyncio.sleep(30)
    return web.Response()


async def garbles_after(service: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
    service.move(request, raw)
    return web.Response(body=b"<html>it works</html>", content_type="text/html")


def says(http: int, code: str, headers: dict[str, str] | None = None, /, **details: Any) -> Step:
    async def step(_: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
        response = problem(http, code, **details)
        response.headers.update(headers or {})
        return response

    return step


def proxy_says(status: int) -> Step:
    async def step(_: Service, request: web.BaseRequest, raw: bytes) -> web.Response:
        return web.Response(status=status, body=b"<html>", content_type="text/html")

    return step


def somebody_sells(step: Step) -> Step:
    """A seat is sold to another caller before the step."""

    async def stepped(service: Service, request: web.BaseRequest, raw: bytes) -> web.StreamResponse:
        service.available -= 1
        service.version += 1
        return await step(service, request, raw)

    return stepped


class Impatient(HttpTransport):
    """HTTP whose waits are noted and take no time."""

    waits: list[float]

    async def wait(self, wait_s: float) -> None:
        self.waits.append(wait_s)


class Setting:
    """A server that plays a script, a client of it, and the waits of that client."""

    def __init__(self) -> None:
        self.service = Service()
        self.waits: list[float] = []
        self.limits = ClientLimits(try_s=0.3)

    def plays(self, *script: Step) -> Service:
        self.service.script = list(script)
        return self.service

    def client(self, **how: Any) -> EventServiceClient:
        transport = Impatient(self.service.url, self.limits, **how)
        transport.waits = self.waits
        return EventServiceClient(
            self.service.url, API_KEY, limits=self.limits, transport=transport
        )


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    setting = Setting()
    async with RawTestServer(setting.service.handle, handler_cancellation=True) as server:
        setting.service.url = str(server.make_url("")).rstrip("/")
        yield setting


async def test_an_event_is_read_with_an_exact_price(setting: Setting) -> None:
    async with setting.client() as client:
        event = await client.get_event(EVENT_ID)
    assert event == EventForBooking(EVENT_ID, 100, 8, Decimal("25.5"), 7, "published")
    assert setting.service.seen == [("GET", f"/internal/events/{EVENT_ID}", None, None)]


async def test_seats_are_reserved_and_returned(setting: Setting) -> None:
    async with setting.client() as client:
        reserved = await client.reserve(EVENT_ID, 3)
        returned = await client.return_seats(EVENT_ID, 1, version=8)
    assert reserved == SeatsMoved(EVENT_ID, 97, "published", 8, reserved.key)
    assert returned == SeatsMoved(EVENT_ID, 98, "published", 9, returned.key)
    path = f"/internal/events/{EVENT_ID}"
    retry = {"quantity": 1, "version": 8, "on_conflict": "retry"}
    assert setting.service.seen == [
        ("POST", f"{path}/update-availability", {"quantity": -3, "version": "*"}, reserved.key),
        ("POST", f"{path}/return-seats", retry, returned.key),
    ]
    assert reserved.key != returned.key


@pytest.mark.parametrize("lost", [drops_after, half_an_answer, stalls_after, garbles_after])
async def test_a_lost_answer_is_asked_for_again_and_seats_move_once(
    setting: Setting, lost: Step
) -> None:
    service = setting.plays(lost)
    async with setting.client() as client:
        moved = await client.reserve(EVENT_ID, 2)
    assert moved == SeatsMoved(EVENT_ID, 98, "published", 8, moved.key, replayed=True, tries=2)
    assert service.keys == [moved.key, moved.key]
    assert (service.available, service.version) == (98, 8)


@pytest.mark.parametrize(
    "failing",
    [
        says(503, "OVERLOADED"),
        says(503, "DATABASE_UNAVAILABLE"),
        says(503, "OUTCOME_UNKNOWN"),
        says(500, "INTERNAL_ERROR"),
        says(429, "RATE_LIMITED"),
        says(408, "REQUEST_TIMEOUT"),
        proxy_says(502),
        proxy_says(429),
        drops_before,
    ],
)
async def test_what_may_pass_is_tried_again_with_the_same_key(
    setting: Setting, failing: Step
) -> None:
    service = setting.plays(failing, failing)
    async with setting.client() as client:
        moved = await client.reserve(EVENT_ID, 2)
    assert (moved.tries, moved.replayed) == (3, False)
    assert service.keys == [moved.key] * 3
    assert len(setting.waits) == 2


async def test_reads_are_tried_again_too(setting: Setting) -> None:
    setting.plays(drops_before, says(503, "OVERLOADED"), garbles_after)
    async with setting.client() as client:
        assert (await client.get_event(EVENT_ID)).version == 7
    assert len(setting.service.seen) == 4


async def test_waits_are_drawn_from_a_range_that_doubles_up_to_its_bound(
    setting: Setting,
) -> None:
    setting.limits = ClientLimits(tries_max=9, backoff_s=1.0, backoff_max_s=4.0, call_s=1000)
    for _ in range(20):
        setting.plays(*[says(503, "OVERLOADED")] * 8)
        async with setting.client() as client:
            await client.reserve(EVENT_ID, 1)
    nth = [setting.waits[n::8] for n in range(8)]
    assert all(
        0 <= wait <= most for n, most in enumerate((1, 2, 4, 4, 4, 4, 4, 4)) for wait in nth[n]
    )
    assert max(nth[0]) - min(nth[0]) > 0.2, "full jitter starts at 0"


async def test_retry_after_is_the_least_wait(setting: Setting) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    setting.limits = ClientLimits(backoff_s=0.1, call_s=100)
    setting.plays(
        says(503, "OVERLOADED", {"Retry-After": "3"}),
        says(429, "RATE_LIMITED", {"Retry-After": soon}),
        says(503, "OVERLOADED", {"Retry-After": "soon"}),
    )
    async with setting.client() as client:
        await client.reserve(EVENT_ID, 1)
    first, second, third = setting.waits
    assert 3 <= first <= 3.1
    assert 18 <= second <= 20.2
    assert third <= 0.4


async def test_a_retry_after_beyond_the_call_is_not_waited_for(setting: Setting) -> None:
    setting.plays(says(503, "OVERLOADED", {"Retry-After": "3600"}))
    async with setting.client() as client:
        with pytest.raises(Unavailable) as caught:
            await client.reserve(EVENT_ID, 1)
    assert setting.waits == []
    assert caught.value.tries == 1


@pytest.mark.parametrize(
    ("lost", "code"),
    [
        (drops_after, "CONNECTION_LOST"),
        (half_an_answer, "CONNECTION_LOST"),
        (stalls_after, "TIMEOUT"),
        (garbles_after, "BAD_ANSWER"),
    ],
)
async def test_an_answer_that_never_comes_is_named(setting: Setting, lost: Step, code: str) -> None:
    setting.limits = ClientLimits(tries_max=1, try_s=0.3)
    setting.plays(lost)
    async with setting.client() as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.reserve(EVENT_ID, 1)
    assert caught.value.code == code


async def test_tries_are_bounded_and_nothing_was_done(setting: Setting) -> None:
    setting.limits = ClientLimits(tries_max=3)
    service = setting.plays(*[says(503, "DATABASE_UNAVAILABLE")] * 3)
    async with setting.client() as client:
        with pytest.raises(Unavailable) as caught:
            await client.reserve(EVENT_ID, 1)
    error = caught.value
    assert (error.code, error.status, error.tries) == ("DATABASE_UNAVAILABLE", 503, 3)
    assert len(service.seen) == 3


async def test_a_service_that_is_not_there_is_unavailable(setting: Setting) -> None:
    setting.service.url = f"http://127.0.0.1:{unused_port()}"
    setting.limits = ClientLimits(tries_max=2)
    async with setting.client() as client:
        with pytest.raises(Unavailable) as caught:
            await client.reserve(EVENT_ID, 1)
        with pytest.raises(Unavailable):
            await client.get_event(EVENT_ID)
    assert (caught.value.code, caught.value.status) == ("UNREACHABLE", None)


NOT_FINAL = (
    *("EVENT_NOT_FOUND", "EVENT_NOT_ON_SALE", "HOLDBACK_NOT_FOUND", "HOLD_NOT_FOUND"),
    *("AMOUNT_EXCEEDS_REVENUE", "HOLD_PRICE_CHANGED", "MAX_TICKETS_EXCEEDED"),
)


@pytest.mark.parametrize(
    "last",
    [
        *(drops_after, says(503, "OVERLOADED"), says(401, "UNAUTHORIZED")),
        *(says(409, code) for code in NOT_FINAL),
    ],
)
async def test_one_lost_answer_leaves_the_outcome_unknown_whatever_came_later(
    setting: Setting, last: Step
) -> None:
    setting.limits = ClientLimits(tries_max=2)
    setting.plays(drops_after, last)
    async with setting.client() as client:
        with pytest.raises(OutcomeUnknown) as caught:
            await client.reserve(EVENT_ID, 2)
        moved = await client.reserve(EVENT_ID, 2, key=caught.value.key)
    assert (moved.replayed, moved.available_seats) == (True, 98)
    assert setting.service.available == 98


@pytest.mark.parametrize("code", sorted(PROOFS))
async def test_a_final_refusal_ends_the_doubt(setting: Setting, code: str) -> None:
    setting.plays(drops_before, says(409, code, requested=2, available=1))
    async with setting.client() as client:
        with pytest.raises(Refused) as caught:
            await client.reserve(EVENT_ID, 2, version=3, on_conflict="fail")
    assert caught.value.code == code


def test_what_the_service_keeps_as_final_is_a_proof() -> None:
    final = {code for code, one in ERRORS.items() if re.search("(?<!never) final", one.meaning)}
    assert {*final, Code.CONCURRENT_UPDATE} == PROOFS


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (400, "VALIDATION_ERROR", InvalidRequest),
        (401, "UNAUTHORIZED", Unauthorized),
        (403, "UNAUTHORIZED", Unauthorized),
        (404, "EVENT_NOT_FOUND", EventNotFound),
        (409, "CONCURRENT_UPDATE", ConcurrentUpdate),
        (409, "INSUFFICIENT_SEATS", InsufficientSeats),
        (409, "SEATS_EXCEED_CAPACITY", SeatsExceedCapacity),
        (409, "EVENT_NOT_MODIFIABLE", EventNotModifiable),
        (409, "EVENT_NOT_ON_SALE", EventNotOnSale),
        (413, "PAYLOAD_TOO_LARGE", InvalidRequest),
        (422, "IDEMPOTENCY_KEY_REUSED", KeyReused),
        (418, "SOMETHING_NEW", Refused),
    ],
)
async def test_a_refusal_is_an_error_of_its_class_and_never_tried_again(
    setting: Setting, status: int, code: str, raised: type[EventServiceError]
) -> None:
    setting.plays(says(status, code, event_id=EVENT_ID))
    async with setting.client() as client:
        with pytest.raises(EventServiceError) as caught:
            await client.reserve(EVENT_ID, 1, version=3)
    error = caught.value
    assert type(error) is raised
    assert (error.code, error.status, error.details) == (code, status, {"event_id": EVENT_ID})
    assert (error.message, error.request_id) == (code.lower(), "req-1")
    assert str(error) == f"{code}: {code.lower()}"
    assert len(setting.service.seen) == 1


async def test_a_refusal_carries_its_details(setting: Setting) -> None:
    fields = [{"field": "body.quantity", "message": "quantity is required"}]
    setting.plays(
        says(409, "SEATS_EXCEED_CAPACITY", requested=3, returnable=1),
        says(409, "EVENT_NOT_MODIFIABLE", status="cancelled"),
        says(400, "VALIDATION_ERROR", fields=fields),
    )
    async with setting.client() as client:
        with pytest.raises(SeatsExceedCapacity) as exceeds:
            await client.return_seats(EVENT_ID, 3)
        with pytest.raises(EventNotModifiable) as fixed:
            await client.reserve(EVENT_ID, 3)
        with pytest.raises(InvalidRequest) as invalid:
            await client.reserve(EVENT_ID, 3)
    assert (exceeds.value.requested, exceeds.value.returnable) == (3, 1)
    assert fixed.value.event_status == "cancelled"
    assert invalid.value.fields == fields


async def test_fail_tells_of_a_conflict_and_tries_nothing(setting: Setting) -> None:
    async with setting.client() as client:
        with pytest.raises(ConcurrentUpdate) as caught:
            await client.reserve(EVENT_ID, 1, version=3, on_conflict="fail")
    error = caught.value
    assert (error.current_version, error.available_seats) == (7, 100)
    assert error.event_status == "published"
    assert setting.service.seen[0][2] == {"quantity": -1, "version": 3}
    assert setting.service.available == 100


async def test_retry_leaves_the_conflict_to_the_service(setting: Setting) -> None:
    async with setting.client() as client:
        moved = await client.reserve(EVENT_ID, 1, version=3, on_conflict="retry")
    assert (moved.version, moved.tries, moved.conflicts) == (8, 1, 0)


async def test_retry_does_not_buy_what_is_no_longer_the_same_offer(setting: Setting) -> None:
    setting.plays(says(409, "CONCURRENT_UPDATE", current_version=9, available_seats=5))
    async with setting.client() as client:
        with pytest.raises(ConcurrentUpdate):
            await client.reserve(EVENT_ID, 1, version=3, on_conflict="retry")
    assert len(setting.service.seen) == 1


async def test_current_goes_on_with_the_current_version_and_the_same_key(
    setting: Setting,
) -> None:
    service = setting.plays(somebody_sells(answers), somebody_sells(answers))
    async with setting.client() as client:
        moved = await client.reserve(EVENT_ID, 1, version=7, on_conflict="current")
    assert service.versions == [7, 8, 9]
    assert service.keys == [moved.key] * 3
    assert (moved.version, moved.tries, moved.conflicts) == (10, 3, 2)


async def test_conflicts_are_bounded_on_their_own(setting: Setting) -> None:
    setting.limits = ClientLimits(tries_max=3, conflicts_max=5)
    setting.plays(*[somebody_sells(answers)] * 5)
    async with setting.client() as client:
        with pytest.raises(ConcurrentUpdate) as caught:
            await client.reserve(EVENT_ID, 1, version=7, on_conflict="current")
    assert (caught.value.conflicts, caught.value.tries) == (5, 5)


async def test_a_conflict_settles_what_an_earlier_try_left_open(setting: Setting) -> None:
    """The lost try named a version that is gone, so it can never act any more."""
    setting.limits = ClientLimits(tries_max=2)
    setting.plays(drops_before, somebody_sells(answers), says(503, "OVERLOADED"))
    async with setting.client() as client:
        with pytest.raises(Unavailable):
            await client.reserve(EVENT_ID, 1, version=7, on_conflict="current")


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("booking-4711", "booking-4711"),
        ("k" * 255, "k" * 255),
        ("two words", '"two words"'),
        ('say "hi"\\', '"say \\"hi\\"\\\\"'),
    ],
)
async def test_a_key_of_the_callers_own_is_sent(setting: Setting, key: str, sent: str) -> None:
    async with setting.client() as client:
        moved = await client.reserve(EVENT_ID, 1, key=key)
        again = await client.reserve(EVENT_ID, 1, key=key)
    assert setting.service.keys == [sent, sent]
    assert (moved.key, again.key, again.replayed) == (key, key, True)
    assert setting.service.available == 99


@pytest.mark.parametrize("key", ["", "k" * 256, "line\nbreak", "schlüssel", "tab\t"])
async def test_a_key_that_no_header_can_carry_is_refused_before_any_call(
    setting: Setting, key: str
) -> None:
    async with setting.client() as client:
        with pytest.raises(ValueError, match="printable"):
            await client.reserve(EVENT_ID, 1, key=key)
    assert setting.service.seen == []


@pytest.mark.parametrize("seats", [0, -2])
async def test_a_direction_is_never_turned_round(setting: Setting, seats: int) -> None:
    async with setting.client() as client:
        with pytest.raises(ValueError, match="1 or more"):
            await client.reserve(EVENT_ID, seats)
        with pytest.raises(ValueError, match="1 or more"):
            await client.return_seats(EVENT_ID, seats)
    assert setting.service.seen == []


async def test_an_id_cannot_lead_to_another_path(setting: Setting) -> None:
    setting.plays(says(400, "VALIDATION_ERROR"))
    async with setting.client() as client:
        with pytest.raises(InvalidRequest):
            await client.get_event("../../healthz?x=")
    assert setting.service.seen[0][1] == "/internal/events/../../healthz?x="


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not a URL"):
        EventServiceClient("127.0.0.1:8002", API_KEY)


async def test_a_cancelled_call_can_be_made_again_with_its_key(setting: Setting) -> None:
    setting.plays(stalls_after)
    setting.limits = ClientLimits()
    async with setting.client() as client:
        call = asyncio.create_task(client.reserve(EVENT_ID, 1, key="mine"))
        while not setting.service.answers:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await client.reserve(EVENT_ID, 1, key="mine")).replayed
    assert setting.service.available == 99


async def test_many_calls_share_the_connections(setting: Setting) -> None:
    setting.limits = ClientLimits(connections_max=4)
    async with setting.client() as client:
        moved = await asyncio.gather(*(client.reserve(EVENT_ID, 1) for _ in range(50)))
    assert sorted(m.version for m in moved) == list(range(8, 58))
    assert len({m.key for m in moved}) == 50
