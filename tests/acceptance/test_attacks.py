"""Plays every row of `attacks` against a real service, over connections of its own."""

import asyncio
import json
import re
import time
from typing import Any

from tests.acceptance.attacks import ATTACKS
from tests.acceptance.attacks.requests import AN_ADMIN, JSON, Attack
from tests.acceptance.contract import AnswerChecker
from tests.acceptance.marks import TWO_WORKERS
from tests.acceptance.service import Service
from tests.acceptance.target import Target, register
from tests.acceptance.wire import Answer, answer_from, connection

SLOW_BODY_S = 5.0
CLIENT_ERROR_MIN, SERVER_ERROR_MIN = 400, 500
LOG_LINE_MAX = 400


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


def differences(attack: Attack, answer: Answer, other: Answer) -> list[str]:
    """How the answers to one request differ by more than what is each answer's own."""
    if as_told(answer) == as_told(other):
        return []
    return [f"{attack.name}: {as_told(answer)} is {as_told(other)} where the connection ends"]


def as_told(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    own = {"x-request-id", "date", "connection", "content-length", "etag"}
    headers = {name: to for name, to in answer.headers.items() if name not in own}
    body = re.sub(rb'"(timestamp|last_updated)":"[^"]*"', b"", answer.body)
    if answer.status < CLIENT_ERROR_MIN:
        # A token is another one each time.
        body = b""
    return answer.status, headers, body


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


@TWO_WORKERS
async def test_every_attack_is_refused_and_changes_nothing(
    target: Target, checker: AnswerChecker, service: Service
) -> None:
    before, seen = await target.event(), len(service.process.log())
    problems: list[str] = []
    for attack in ATTACKS:
        try:
            answer = await target.play(attack)
            # A connection that is to end takes another way through the service.
            problems += differences(attack, answer, await target.play(attack, kept=False))
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
    log = service.process.log()[seen:]
    for secret in ("{internal_key}", "{token}", "{refresh_token}", "{key_prefix}"):
        assert target.filled(secret) not in log
    assert "horse" not in log
    # What a client makes up does not fill the log.
    assert max(map(len, log.splitlines())) < LOG_LINE_MAX


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
    answer = await service.api.call("POST", "/api/v1/auth/admin/login", body=credentials)
    assert answer.status == 200, answer
    assert answer.json["role"] == "event_manager"
    assert "everything" not in answer.json["permissions"]
