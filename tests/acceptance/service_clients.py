"""What admins and booking services do with a service under test."""

import asyncio
import http
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from tests.acceptance.service_api import Answer, ServiceApi
from tests.acceptance.service_database import ServiceDatabase

# What a booking service would do after 503, or after a connection broke.
TRY_AGAIN_S = 0.03
GIVE_UP_S = 30.0

_emails = itertools.count(1)


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


class ServiceClients:
    """An admin who prepares events, and a booking service that moves their seats."""

    def __init__(self, api: ServiceApi, database: ServiceDatabase) -> None:
        self._api = api
        self._database = database
        self._admin: dict[str, str] | None = None

    async def register_admin(self, **over: Any) -> dict[str, str]:
        """The headers of a new admin."""
        body = {
            "email": f"admin-{next(_emails)}-{uuid4().hex[:8]}@example.org",
            "password": "correct horse battery",
            "name": "Ada",
        }
        answer = await self._api.call("POST", "/api/v1/auth/admin/register", body=body | over)
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
        answer = await self._api.call(
            "POST", "/api/v1/admin/venues", headers=headers, body=body | over
        )
        assert answer.status == http.HTTPStatus.CREATED, answer
        venue: dict[str, Any] = answer.json
        return venue

    async def create_event(
        self, headers: Mapping[str, str], venue_id: str, **over: Any
    ) -> dict[str, Any]:
        """A new draft, of 100 seats at 25.5 unless told otherwise."""
        body = new_event(venue_id, **over)
        answer = await self._api.call("POST", "/api/v1/admin/events", headers=headers, body=body)
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
        return await self._api.call(
            "PUT", path, headers=headers, body={"version": event["version"]} | changes
        )

    async def cancel(self, headers: Mapping[str, str], event: Mapping[str, Any]) -> Answer:
        """The answer to a DELETE at the event's version."""
        path = f"/api/v1/admin/events/{event['event_id']}"
        return await self._api.call(
            "DELETE", path, headers=headers, body={"version": event["version"]}
        )

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
        headers = self._api.internal | ({} if key is None else {"Idempotency-Key": key})
        sent = {"quantity": quantity, "version": "*"} | body
        path = f"/internal/events/{event_id}/{endpoint}"
        return await self._api.call("POST", path, headers=headers, body=sent, fresh=fresh)

    async def reserve_for_sure(
        self, event_id: str, key: str, *, seats: int = 1, fresh: bool = False, **body: Any
    ) -> Heard:
        """Take seats as a booking service does: the same key again until there is an answer."""
        headers = self._api.internal | {"Idempotency-Key": key}
        sent = {"quantity": -seats, "version": "*"} | body
        path = f"/internal/events/{event_id}/update-availability"
        lost = busy = 0
        sent_s = time.monotonic()
        while time.monotonic() - sent_s < GIVE_UP_S:
            try:
                answer = await self._api.send("POST", path, headers=headers, body=sent, fresh=fresh)
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
            ledger = await self._database.ledger(event_id)
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
