"""An event that is attacked, and all that attacks name of it.

Rule: whatever is played, the event is as it was before; whoever plays looks.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4
from weakref import WeakKeyDictionary

from tests.acceptance.attacks.callers import forged
from tests.acceptance.attacks.requests import AN_ADMIN, Attack
from tests.acceptance.service import Service
from tests.acceptance.wire import Answer, answer_from, connection

# What is refused is refused without work; the slowest hashes a password.
ANSWER_S = 10.0
HEALTHZ_S = 0.1
# A busy machine may be late once; a service that hangs is late every time.
HEALTHZ_TRIES = 3


class Target:
    """The event that is attacked, and what attacks name."""

    def __init__(self, service: Service, names: Mapping[str, str]) -> None:
        self.url = service.process.url
        self._service = service
        self._names = names

    def filled(self, text: str) -> str:
        for name, value in self._names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def play(self, attack: Attack, *, kept: bool = True) -> Answer:
        """The answer to an attack on a connection that is `kept`, or to end with it."""
        async with asyncio.timeout(ANSWER_S), connection(self.url) as (reader, writer):
            writer.write(self.request(attack, kept=kept))
            return await answer_from(reader)

    def request(self, attack: Attack, *, kept: bool = False) -> bytes:
        body = b"" if attack.body is None else self.filled_bytes(attack.body)
        headers = {"Host": urlsplit(self.url).netloc, **attack.headers}
        if attack.body is not None and not headers.keys() & {"Content-Length", "Transfer-Encoding"}:
            headers["Content-Length"] = str(len(body))
        lines = [f"{attack.method} {self.filled(attack.path)} HTTP/1.1"]
        ending = [] if kept else [("Connection", "close")]
        for name, value in [*headers.items(), *attack.again.items(), *ending]:
            lines.append(f"{name}: {self.filled(value)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def filled_bytes(self, body: bytes) -> bytes:
        for name, value in self._names.items():
            body = body.replace(f"{{{name}}}".encode(), value.encode())
        return body

    async def healthy(self) -> bool:
        """Whether /healthz answers in time."""
        for _ in range(HEALTHZ_TRIES):
            started_s = time.perf_counter()
            answer = await self._service.api.send("GET", "/healthz")
            if answer.status == 200 and time.perf_counter() - started_s < HEALTHZ_S:
                return True
        return False

    async def event(self) -> Any:
        """The event as its admin sees it."""
        headers = {"Authorization": f"Bearer {self._names['token']}"}
        path = self.filled("/api/v1/admin/events/{event_id}")
        answer = await self._service.api.send("GET", path, headers=headers)
        assert answer.status == 200, answer
        return answer.json


@dataclass(frozen=True, slots=True)
class _Admins:
    owner: Mapping[str, str]
    other: Mapping[str, str]
    refresh_token: str


# Each costs a bcrypt hash, so the targets of one service share them.
_known: "WeakKeyDictionary[Service, _Admins]" = WeakKeyDictionary()


async def _admins(service: Service) -> _Admins:
    if service not in _known:
        refresh_token = (await register(service))["refresh_token"]
        owner, other = (
            await service.clients.register_admin(),
            await service.clients.register_admin(),
        )
        _known[service] = _Admins(owner, other, refresh_token)
    return _known[service]


async def new_target(service: Service) -> Target:
    """An event on sale with two seats sold, among others of its kind."""
    admins = await _admins(service)
    headers, other = admins.owner, admins.other
    venue = await service.clients.create_venue(headers, capacity=100)
    event = await service.clients.create_event(headers, venue["venue_id"], total_capacity=100)
    event = await service.clients.publish(headers, event)
    draft = await service.clients.create_event(headers, venue["venue_id"], total_capacity=100)
    others = await service.clients.create_event(other, venue["venue_id"], total_capacity=100)
    sold = await service.clients.reserve(event["event_id"], 2)
    assert sold.status == 200, sold
    token = headers["Authorization"].partition(" ")[2]
    names = {
        "event_id": event["event_id"],
        "venue_id": venue["venue_id"],
        "draft_id": draft["event_id"],
        "other_id": (await service.clients.publish(other, others))["event_id"],
        "internal_key": service.api.internal_key,
        "key_prefix": service.api.internal_key[:-1],
        "token": token,
        "refresh_token": admins.refresh_token,
        "version": str(sold.json["version"]),
        **forged(token),
    }
    return Target(service, names)


async def register(service: Service, **over: Any) -> dict[str, Any]:
    """The answer to a registration with a new email."""
    admin = {name: json.loads(raw) for name, raw in AN_ADMIN.items()}
    body = {**admin, "email": f"{uuid4().hex}@attacks.example", **over}
    answer = await service.api.call("POST", "/api/v1/auth/admin/register", body=body)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json
    return found
