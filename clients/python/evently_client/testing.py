"""A service in memory for the tests of a booking service.

It answers the calls of `EventServiceClient` by the rules of the real one, so your code runs
with the real client: its errors, keys, retries and conflicts. Waits between tries take no time.

    fake = FakeEventService()
    event_id = fake.add_event(seats=2)
    async with fake.client() as events:
        await events.reserve(event_id, 2)
    assert fake.event(event_id).status == "sold_out"

`break_next` makes the next requests fail as a network or a busy service does, `pass_time` lets
holds expire. Public reads and admin calls are not answered.
"""

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4, uuid5

from .booking import EventServiceClient
from .calls import RetryHook
from .course import ClientLimits
from .errors import Failure
from .fake_answers import answer, answer_to_command, error, invalid
from .fake_event import FakeBlock, FakeEvent, FakeHold, Move, plain
from .fake_feed import FakeFeed, snapshot
from .fake_holds import command_of
from .sync import SyncEventServiceClient
from .transport import Answer, Request

__all__ = ["Break", "FakeBlock", "FakeEvent", "FakeEventService", "FakeHold"]

_PATH = re.compile(
    r"/internal/events/([^/]+)(?:/(update-availability|return-seats|holds(?:/([^/]+)(/confirm)?)?))?"
)
# Holds that a list has at most, unless told otherwise.
_PAGE = 20


class Break(Enum):
    """What becomes of a request: whether it is carried out, and what its sender sees."""

    UNREACHABLE = "not carried out; the connection is refused"
    LOST_REQUEST = "not carried out; the connection breaks"
    LOST_ANSWER = "carried out; the connection breaks"
    SILENCE = "carried out; no answer comes before the timeout"
    OVERLOADED = "not carried out; 503 with Retry-After"
    OUTCOME_UNKNOWN = "carried out; 503 that does not say so"


class FakeEventService:
    """Events with seats, keys, holds and versions.

    `now` is the clock by which events start and end and holds expire.
    """

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self.api_key = "key-of-the-fake-service"
        # Every request that reached the service, and every wait before another try, in seconds.
        self.requests: list[Request] = []
        self.waits: list[float] = []
        self._clock = now
        self._passed = timedelta()
        self._events: dict[str, FakeEvent] = {}
        self._feed = FakeFeed(self._now, self._expire_all)
        self._breaks: deque[Break] = deque()

    def client(
        self,
        *,
        api_key: str | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
    ) -> EventServiceClient:
        """A client of this service."""
        transport = _Memory(self)
        key = self.api_key if api_key is None else api_key
        return EventServiceClient(_URL, key, limits=limits, on_retry=on_retry, transport=transport)

    def sync_client(
        self,
        *,
        api_key: str | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
    ) -> SyncEventServiceClient:
        """A client of this service without `await`."""
        transport = _Memory(self)
        key = self.api_key if api_key is None else api_key
        return SyncEventServiceClient(
            _URL, key, limits=limits, on_retry=on_retry, transport=transport
        )

    def add_event(
        self,
        seats: int = 100,
        *,
        base_price: Decimal | int = Decimal("25.50"),
        max_tickets_per_booking: int = 10,
        starts_in: timedelta = timedelta(days=30),
        lasts: timedelta = timedelta(hours=3),
        published: bool = True,
        sales_open_in: timedelta | None = None,
    ) -> str:
        """The id of a new event, which is at version 2 if it is published."""
        start = self._now() + starts_in
        version = 2 if published else 1
        event = FakeEvent(
            event_id=str(uuid4()),
            total_capacity=seats,
            available_seats=seats,
            base_price=Decimal(base_price),
            max_tickets_per_booking=max_tickets_per_booking,
            start_datetime=start,
            end_datetime=start + lasts,
            status="published" if published else "draft",
            version=version,
            term_versions={"status": version} if published else {},
            tell=self._feed.tell,
            sales_start=None if sales_open_in is None else self._now() + sales_open_in,
        )
        self._events[event.event_id] = event
        if published:
            self._feed.tell(event, "published", {})
        return event.event_id

    def event(self, event_id: str) -> FakeEvent:
        """An event, to look at; its `holds` are by their ids."""
        self._events[event_id].expire(self._now())
        return self._events[event_id]

    def pass_time(self, time: timedelta) -> None:
        """Let the service's clock go on by so much: holds expire, events begin and end."""
        self._passed += time

    def change_price(self, event_id: str, base_price: Decimal | int) -> None:
        """Change the offer, as an admin does."""
        self._events[event_id].change(base_price=Decimal(base_price))

    def reschedule(self, event_id: str, starts_in: timedelta) -> None:
        """Let an event start then; a past time is an event that has begun."""
        self._events[event_id].change(start_datetime=self._now() + starts_in)

    def pause(self, event_id: str, *, paused: bool = True) -> None:
        """Stop sales, or let them go on, as an admin does; the offer stays the same."""
        event = self._events[event_id]
        event.paused = paused
        event.version += 1

    def keep_back(
        self, event_id: str, name: str, seats: int, *, release_in: timedelta | None = None
    ) -> None:
        """Keep back so many free seats in one more block, as an admin does."""
        event = self._events[event_id]
        release_at = None if release_in is None else self._now() + release_in
        event.blocks.append(FakeBlock(name, seats, release_at))
        event.move(-seats, self._now())

    def cancel(self, event_id: str) -> None:
        """Cancel an event, as an admin does."""
        self._events[event_id].change(status="cancelled")

    def archive_changes(self) -> None:
        """Archive all changes until now, as an operator does after some months."""
        self._feed.archive()

    def break_next(self, *breaks: Break) -> None:
        """Let the next requests fail, each in its way."""
        self._breaks.extend(breaks)

    async def answer(self, request: Request, timeout_s: float) -> Answer | Failure:
        """What the sender of a request sees; other tasks run meanwhile, as on a network."""
        broken = self._breaks.popleft() if self._breaks else None
        await asyncio.sleep(0)
        if broken is Break.UNREACHABLE:
            return Failure("UNREACHABLE", "Connection refused", again=True)
        if broken is Break.LOST_REQUEST:
            return _lost()
        if broken is Break.OVERLOADED:
            message = "Too many requests are pending; nothing was done, try again"
            return error(503, "OVERLOADED", message, {}, {"Retry-After": "1"})
        done = await self._carried_out(request)
        if broken is Break.LOST_ANSWER:
            return _lost()
        if broken is Break.SILENCE:
            await asyncio.sleep(timeout_s)
            return Failure("TIMEOUT", "No answer in time", again=True, unknown=True)
        if broken is Break.OUTCOME_UNKNOWN:
            message = "The outcome is not known yet; repeat the request with the same key"
            return error(503, "OUTCOME_UNKNOWN", message, {}, {"Retry-After": "2"})
        return done

    async def _carried_out(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.headers.get("X-API-Key") != self.api_key:
            return error(403, "UNAUTHORIZED", "The internal key is wrong")
        path, _, said = request.target.partition("?")
        query = dict(parse_qsl(said))
        if path == "/internal/changes":
            return await self._feed.read(query)
        if path == "/internal/events":
            self._expire_all()
            return snapshot(self._events.values(), query, self._now())
        if path == "/internal/moves":
            return self._moved_many(request)
        return self._answer_to(request, path, query)

    def _answer_to(self, request: Request, path: str, query: Mapping[str, str]) -> Answer:
        """What is asked of one event."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise NotImplementedError(f"The fake service does not answer {request.target}")
        named, action, hold_id, confirms = found.groups()
        for name, given in (("event_id", named), ("hold_id", hold_id)):
            if given is not None and not _is_uuid(given):
                return invalid(f"path.{name}", f"Invalid {name.removesuffix('_id')} ID")
        event = self._events.get(str(UUID(named)))
        if event is None or event.status == "draft":
            return error(404, "EVENT_NOT_FOUND", "Event not found", {"event_id": str(UUID(named))})
        event.expire(self._now())
        if action is None:
            return self._shown(event)
        if not action.startswith("holds"):
            return self._moved(event, request)
        if request.method == "GET":
            return _hold_shown(event, hold_id) if hold_id else _holds_listed(event, query)
        return self._hold_changed(event, request, hold_id, confirms=confirms is not None)

    def _moved_many(self, request: Request) -> Answer:
        """Each move as a request of its own."""
        results = []
        for one in json.loads(request.body or b"{}")["moves"]:
            action = "return-seats" if one["quantity"] > 0 else "update-availability"
            target = f"/internal/events/{one.pop('event_id')}/{action}"
            headers = {**request.headers, "Idempotency-Key": one.pop("idempotency_key")}
            move = Request("POST", target, headers, json.dumps(one).encode())
            told = self._answer_to(move, target, {})
            result: dict[str, Any] = {"status": told.status}
            if "error" in told.body:
                result["error"] = told.body["error"]
            else:
                result["answer"] = told.body
            if "Idempotent-Replayed" in told.headers:
                result["replayed"] = True
            results.append(result)
        return answer(200, {"results": results})

    def _shown(self, event: FakeEvent) -> Answer:
        body = {
            "event_id": event.event_id,
            "available_seats": event.available_seats,
            "max_tickets_per_booking": event.max_tickets_per_booking,
            "base_price": event.base_price,
            "version": event.version,
            "status": event.status_at(self._now()),
            "held_seats": event.held_seats,
            "sales_start": plain(event.sales_start),
            "sales_end": plain(event.sales_end),
            "paused": event.paused,
            "currency": "USD",
            "on_sale": event.closed(self._now()) is None,
        }
        return answer(200, body)

    def _moved(self, event: FakeEvent, request: Request) -> Answer:
        body = json.loads(request.body or b"{}")
        version, retry = body["version"], body.get("on_conflict") == "retry"
        amount = body.get("amount")
        money = None if amount is None else Decimal(str(amount))
        version = None if version == "*" else version
        move = Move(body["quantity"], version, retry, money, body.get("holdback"))
        key = request.headers.get("Idempotency-Key")
        outcome, replayed = event.answer(move, key, self._now())
        return answer_to_command(event.event_id, outcome, replayed=replayed, status=200)

    def _hold_changed(
        self, event: FakeEvent, request: Request, hold_id: str | None, *, confirms: bool
    ) -> Answer:
        body = json.loads(request.body or b"{}")
        key = request.headers["Idempotency-Key"]
        places = hold_id is None
        # A repeated request names the same hold.
        named = str(uuid5(UUID(event.event_id), key)) if hold_id is None else hold_id
        command = command_of(request.method, named, body, confirms=confirms)
        outcome, replayed = event.answer(command, key, self._now())
        status = 201 if places else 200
        return answer_to_command(event.event_id, outcome, replayed=replayed, status=status)

    def _expire_all(self) -> None:
        for event in list(self._events.values()):
            event.expire(self._now())

    def _now(self) -> datetime:
        return self._clock() + self._passed


class _Memory:
    """Carries requests to a fake service. What waits, waits no time."""

    def __init__(self, service: FakeEventService) -> None:
        self._service = service

    async def send(self, request: Request, timeout_s: float) -> Answer | Failure:
        """What the sender of the request sees."""
        return await self._service.answer(request, timeout_s)

    async def wait(self, wait_s: float) -> None:
        """Note the wait, and let other tasks run."""
        self._service.waits.append(wait_s)
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing was opened."""


# Nothing is sent there.
_URL = "http://fake.invalid"


def _lost() -> Failure:
    return Failure("CONNECTION_LOST", "Server disconnected", again=True, unknown=True)


def _is_uuid(given: str) -> bool:
    try:
        UUID(given)
    except ValueError:
        return False
    return True


def _hold_shown(event: FakeEvent, hold_id: str) -> Answer:
    hold = event.holds.get(hold_id)
    if hold is None:
        details = {"event_id": event.event_id, "hold_id": hold_id}
        return error(404, "HOLD_NOT_FOUND", "This event has no such hold", details)
    return answer(200, {"event_id": event.event_id, "hold": hold.shown()})


def _holds_listed(event: FakeEvent, query: Mapping[str, str]) -> Answer:
    """A page of the holds, in the order in which they were placed; `after` is the last one's id."""
    found = [
        hold
        for hold in event.holds.values()
        if query.get("status", hold.status) == hold.status
        and query.get("reference", hold.reference) == hold.reference
    ]
    ids = [hold.hold_id for hold in found]
    first = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    end = first + int(query.get("limit", _PAGE))
    following = ids[end - 1] if end < len(found) else None
    shown = [hold.shown() for hold in found[first:end]]
    return answer(200, {"event_id": event.event_id, "holds": shown, "next": following})
