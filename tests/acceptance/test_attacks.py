"""Plays every row of `attacks.py` against a real service, over connections of its own."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.acceptance.attacks import AN_ADMIN, ATTACKS, JSON, Attack, forged
from tests.acceptance.contract import AnswerChecker
from tests.acceptance.service import Service

# What is refused is refused without work; the slowest hashes a password.
ANSWER_S = 2.0
HEALTHZ_S = 0.1
# A busy machine may be late once; a service that hangs is late every time.
HEALTHZ_TRIES = 3
SLOW_BODY_S = 5.0
SERVER_ERROR_MIN = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire; the names of its headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Target:
    """The event that is attacked, and what attacks name."""

    def __init__(self, service: Service, names: Mapping[str, str]) -> None:
        self.url = service.url
        self._service = service
        self._names = names

    def filled(self, text: str) -> str:
        for name, value in self._names.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def play(self, attack: Attack) -> Answer:
        async with asyncio.timeout(ANSWER_S), connection(self.url) as (reader, writer):
            writer.write(self.request(attack))
            return await answer_from(reader)

    def request(self, attack: Attack) -> bytes:
        body = b"" if attack.body is None else self._filled_body(attack.body)
        headers = {"Host": urlsplit(self.url).netloc, **attack.headers}
        if attack.body is not None and not headers.keys() & {"Content-Length", "Transfer-Encoding"}:
            headers["Content-Length"] = str(len(body))
        lines = [f"{attack.method} {self.filled(attack.path)} HTTP/1.1"]
        for name, value in [*headers.items(), *attack.again.items(), ("Connection", "close")]:
            lines.append(f"{name}: {self.filled(value)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def _filled_body(self, body: bytes) -> bytes:
        for name, value in self._names.items():
            body = body.replace(f"{{{name}}}".encode(), value.encode())
        return body

    async def healthy(self) -> bool:
        """Whether /healthz answers in time."""
        for _ in range(HEALTHZ_TRIES):
            started_s = time.perf_counter()
            answer = await self._service.send("GET", "/healthz")
            if answer.status == 200 and time.perf_counter() - started_s < HEALTHZ_S:
                return True
        return False

    async def event(self) -> Any:
        """The event as its admin sees it."""
        headers = {"Authorization": f"Bearer {self._names['token']}"}
        path = self.filled("/api/v1/admin/events/{event_id}")
        answer = await self._service.send("GET", path, headers=headers)
        assert answer.status == 200, answer
        return answer.json


@asynccontextmanager
async def connection(
    url: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer_from(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head.rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    return Answer(int(status_line.split()[1]), headers, await reader.readexactly(length))


@pytest.fixture
async def checker(service: Service) -> AnswerChecker:
    return await service.checker()


@pytest.fixture
async def target(service: Service) -> Target:
    headers, other = await service.register_admin(), await service.register_admin()
    venue = await service.create_venue(headers, capacity=100)
    event = await service.create_event(headers, venue["venue_id"], total_capacity=100)
    event = await service.publish(headers, event)
    draft = await service.create_event(headers, venue["venue_id"], total_capacity=100)
    others = await service.create_event(other, venue["venue_id"], total_capacity=100)
    sold = await service.reserve(event["event_id"], 2)
    assert sold.status == 200, sold
    registered = await register(service)
    token = headers["Authorization"].partition(" ")[2]
    names = {
        "event_id": event["event_id"],
        "venue_id": venue["venue_id"],
        "draft_id": draft["event_id"],
        "other_id": (await service.publish(other, others))["event_id"],
        "internal_key": service.internal_key,
        "key_prefix": service.internal_key[:-1],
        "token": token,
        "refresh_token": registered["refresh_token"],
        "version": str(sold.json["version"]),
        **forged(token),
    }
    return Target(service, names)


async def register(service: Service, **over: Any) -> dict[str, Any]:
    admin = {name: json.loads(raw) for name, raw in AN_ADMIN.items()}
    body = {**admin, "email": f"{uuid4().hex}@attacks.example", **over}
    answer = await service.call("POST", "/api/v1/auth/admin/register", body=body)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.json
    return found


def problems_of(attack: Attack, answer: Answer, path: str, checker: AnswerChecker) -> list[str]:
    """What is wrong with the answer to an attack."""
    shown = f"{attack.name}: {answer.status} {answer.body[:300]!r}"
    found = []
    if answer.status >= SERVER_ERROR_MIN:
        found.append(f"{shown}: the service failed")
    if answer.status not in attack.status:
        found.append(f"{shown}: expected {sorted(attack.status)}")
    if attack.envelope:
        found += envelope_problems(attack, answer, path, checker, shown)
    return found


def envelope_problems(
    attack: Attack, answer: Answer, path: str, checker: AnswerChecker, shown: str
) -> list[str]:
    try:
        value = checked(attack, answer, path, checker)
    except AssertionError as error:
        return [f"{attack.name}: {error}"]
    if attack.code is None or not isinstance(value, dict):
        return []
    found = []
    if attack.code and value["error"]["code"] != attack.code:
        found.append(f"{shown}: expected {attack.code}")
    if attack.says.encode() not in answer.body:
        found.append(f"{shown}: does not say {attack.says!r}")
    return found


def checked(attack: Attack, answer: Answer, path: str, checker: AnswerChecker) -> Any:
    checker.check_common(answer.status, answer.headers)
    if attack.method == "OPTIONS":
        return None
    if not checker.documents(attack.method, path):
        return checker.check_unrouted(
            attack.method, path, answer.status, answer.headers, answer.body
        )
    pattern = checker.pattern_of(path)
    return checker.check(attack.method, pattern, answer.status, answer.headers, answer.body)


async def test_every_attack_is_refused_and_changes_nothing(
    target: Target, checker: AnswerChecker
) -> None:
    before = await target.event()
    problems: list[str] = []
    for attack in ATTACKS:
        try:
            answer = await target.play(attack)
        except (TimeoutError, EOFError, OSError) as error:
            problems.append(f"{attack.name}: no answer: {error!r}")
            continue
        problems += problems_of(attack, answer, target.filled(attack.path), checker)
        if not await target.healthy():
            problems.append(f"{attack.name}: /healthz is late")
        if (after := await target.event()) != before:
            problems.append(f"{attack.name}: the event has changed")
            before = after
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems)


async def test_a_body_that_drips_is_cut_off(target: Target, checker: AnswerChecker) -> None:
    head = Attack(
        "a byte every 300 ms",
        "POST",
        "/internal/events/{event_id}/update-availability",
        {"X-API-Key": "{internal_key}", **JSON, "Content-Length": "1000"},
    )
    started_s = time.perf_counter()
    async with asyncio.timeout(2 * SLOW_BODY_S), connection(target.url) as (reader, writer):
        writer.write(target.request(head))
        answering = asyncio.create_task(answer_from(reader))
        while not answering.done():
            writer.write(b" ")
            await asyncio.wait({answering}, timeout=0.3)
        answer = await answering
    assert time.perf_counter() - started_s < SLOW_BODY_S + 1
    assert answer.status == 408
    value = checked(head, answer, target.filled(head.path), checker)
    assert value["error"]["code"] == "REQUEST_TIMEOUT"


async def test_what_a_registration_may_not_set_is_ignored(service: Service) -> None:
    more = {"permissions": ["everything"], "is_active": False, "admin_id": "me"}
    registered = await register(service, **more)
    assert registered["admin_id"] != "me"
    credentials = {"email": registered["email"], "password": json.loads(AN_ADMIN["password"])}
    answer = await service.call("POST", "/api/v1/auth/admin/login", body=credentials)
    assert answer.status == 200, answer
    assert answer.json["role"] == "event_manager"
    assert "everything" not in answer.json["permissions"]
