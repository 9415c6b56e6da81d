"""HTTP itself, byte by byte: what is no request, what is an odd one, and many at once."""

import asyncio
import json
import time
from collections.abc import Mapping

import pytest

from tests.acceptance.contract import AnswerChecker
from tests.acceptance.raw_attacks import (
    BODY,
    GET,
    HOST,
    MOVE,
    ODD,
    RAW_ATTACKS,
    SMUGGLED,
    RawAttack,
)
from tests.acceptance.service import Service
from tests.acceptance.target import Target
from tests.acceptance.wire import Answer, answer_from, connection
from tests.until import until

# Until an answer is there whose request is refused as it stands.
ANSWER_S = 10.0
# Until a connection ends whose last answer was sent: the rest of its body is waited for.
ENDED_S = 5.0
PIPELINED = 100
STORM = 200
# More than a socket's buffers hold, and than a server reads in one turn.
MUCH = 2048 * (b"X-A: " + 8000 * b"0" + b"\r\n")


def shown(attack: RawAttack, answer: Answer) -> str:
    return f"{attack.name}: {answer.status} {answer.body[:200]!r}"


def problems_of(attack: RawAttack, answer: Answer, checker: AnswerChecker) -> list[str]:
    """What is wrong with the answer to an attack."""
    found = []
    checker.check_common(answer.status, answer.headers)
    if answer.status != attack.status:
        found.append(f"{shown(attack, answer)}: expected {attack.status}")
    if attack.code:
        error = json.loads(answer.body)["error"]
        if (error["code"], list(error)) != (
            attack.code,
            ["code", "message", "details", "timestamp"],
        ):
            found.append(f"{shown(attack, answer)}: expected {attack.code}")
    if attack.says not in answer.body:
        found.append(f"{shown(attack, answer)}: does not say {attack.says!r}")
    return found


async def test_what_is_no_request_ends_its_connection_and_nothing_after_it_is_heard(
    target: Target, checker: AnswerChecker, service: Service
) -> None:
    before, seen = await target.event(), len(service.process.log())
    problems: list[str] = []
    for attack in RAW_ATTACKS:
        try:
            async with asyncio.timeout(ANSWER_S), connection(target.url) as (reader, writer):
                writer.write(target.filled_bytes(attack.raw + SMUGGLED))
                answer = await answer_from(reader)
                if await reader.read():
                    problems.append(f"{attack.name}: what came after it was answered")
        except (TimeoutError, EOFError, OSError) as error:
            problems.append(f"{attack.name}: no answer, or no end: {error!r}")
            continue
        problems += problems_of(attack, answer, checker)
        if answer.headers.get("connection") != "close":
            problems.append(f"{shown(attack, answer)}: no Connection: close")
        if not await target.healthy():
            problems.append(f"{attack.name}: /healthz is late")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems)
    assert await target.event() == before
    assert len(service.process.log()[seen:].splitlines()) < len(RAW_ATTACKS) / 10


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"this is no request\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n", 431)],
    ids=["no request", "a head without an end"],
)
async def test_an_answer_is_not_lost_to_what_its_client_still_sends(
    target: Target, sent: bytes, status: int
) -> None:
    async with asyncio.timeout(ANSWER_S), connection(target.url) as (reader, writer):
        writer.write(sent + MUCH)
        assert (await answer_from(reader)).status == status
        # A connection that was closed is reset by this.
        writer.write(MUCH)
        await writer.drain()
        assert await reader.read() == b""


async def test_an_odd_request_leaves_the_next_one_on_its_connection_alone(
    target: Target, checker: AnswerChecker
) -> None:
    before = await target.event()
    problems: list[str] = []
    last = GET + HOST + b"X-Request-ID: the-last\r\nConnection: close\r\n\r\n"
    for attack in ODD:
        try:
            async with asyncio.timeout(ANSWER_S), connection(target.url) as (reader, writer):
                writer.write(target.filled_bytes(attack.raw) + last)
                answer, following = await answer_from(reader), await answer_from(reader)
                rest = await reader.read()
        except (TimeoutError, EOFError, OSError) as error:
            problems.append(f"{attack.name}: no answer, or no end: {error!r}")
            continue
        problems += problems_of(attack, answer, checker)
        if (following.status, following.headers["x-request-id"], rest) != (200, "the-last", b""):
            problems.append(f"{attack.name}: then {following} {rest!r}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems)
    assert await target.event() == before


async def test_a_hundred_pipelined_moves_are_answered_in_their_order(
    target: Target, service: Service
) -> None:
    before = await target.event()
    head = MOVE + b"X-Request-ID: move-%d\r\nContent-Length: %d\r\n\r\n"
    body = BODY.replace(b'"*"', b"%d")
    requests = b""
    for number in range(PIPELINED):
        sent = body % (before["version"] + number)
        requests += target.filled_bytes(head % (number, len(sent)) + sent)
    async with asyncio.timeout(20), connection(target.url) as (reader, writer):
        writer.write(requests)
        answers = [await answer_from(reader) for _ in range(PIPELINED)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert ids == [f"move-{number}" for number in range(PIPELINED)]
    # There are 98 seats for the hundred, and each names the version that the one before made.
    assert [answer.status for answer in answers] == [200] * 98 + [409] * 2
    assert [json.loads(answer.body)["available_seats"] for answer in answers[:98]] == list(
        range(97, -1, -1)
    )
    assert {json.loads(answer.body)["error"]["code"] for answer in answers[98:]} == {
        "INSUFFICIENT_SEATS"
    }


async def test_a_storm_of_what_is_no_request_is_counted_and_not_logged(
    target: Target, service: Service
) -> None:
    async def broken() -> int:
        metrics = (await service.api.send("GET", "/metrics")).body.decode()
        line = 'evently_request_seconds_count{method="OTHER",route="unmatched",status="400"} '
        return int(float(metrics.partition(line)[2].partition("\n")[0] or 0))

    before, seen = await broken(), len(service.process.log())

    async def attack(raw: bytes) -> int:
        async with asyncio.timeout(10), connection(target.url) as (reader, writer):
            writer.write(raw)
            return (await answer_from(reader)).status

    kinds = (b"\0\r\n\r\n", b"GET / HTTP/9\r\n\r\n", GET + b"\r\n", GET + HOST + b"x\r\n\r\n")
    statuses = await asyncio.gather(*(attack(kinds[n % 4]) for n in range(STORM)))
    assert set(statuses) == {400}
    assert await target.healthy()

    async def all_counted() -> bool:
        return await broken() >= before + STORM

    await until(all_counted, 10, "the count of the storm")
    assert len(service.process.log()[seen:].splitlines()) < STORM / 10


async def raw_answer(target: Target, raw: bytes) -> bytes:
    """All that comes until the connection ends."""
    async with asyncio.timeout(ENDED_S), connection(target.url) as (reader, writer):
        writer.write(target.filled_bytes(raw))
        return await reader.read()


EXPECTING = MOVE + b"Connection: close\r\nExpect: 100-continue\r\n"


async def test_a_client_that_waits_for_100_continue_gets_it(target: Target) -> None:
    refused = BODY.replace(b"-1", b"0")
    head = EXPECTING + b"Content-Length: %d\r\n\r\n" % len(refused)
    async with asyncio.timeout(ENDED_S), connection(target.url) as (reader, writer):
        writer.write(target.filled_bytes(head))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(refused)
        answer = await answer_from(reader)
    assert answer.status == 400
    assert b"quantity must not be 0" in answer.body
    # Nobody who has sent the body already is told to.
    assert (await raw_answer(target, head + refused)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Content-Length: 29", b"Content-Length: 99999999"), b"413"),
        ((b"{internal_key}", b"wrong"), b"403"),
        ((b"application/json", b"text/plain"), b"415"),
        ((b"{event_id}", b"x"), b"400"),
    ],
)
async def test_a_client_that_waits_is_refused_before_it_sends(
    target: Target, change: tuple[bytes, bytes], status: bytes
) -> None:
    raw = (EXPECTING + b"Content-Length: 29\r\n\r\n").replace(*change)
    async with asyncio.timeout(ENDED_S), connection(target.url) as (reader, writer):
        started_s = time.perf_counter()
        writer.write(target.filled_bytes(raw))
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 " + status)
        assert time.perf_counter() - started_s < ANSWER_S


async def test_a_protocol_that_is_offered_is_not_taken_up(target: Target) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    refused = BODY.replace(b"-1", b"0")
    posted = MOVE + offer + b"Content-Length: %d\r\n\r\n" % len(refused) + refused
    async with asyncio.timeout(ENDED_S), connection(target.url) as (reader, writer):
        for raw, status in ((GET + HOST + offer + b"\r\n", 200), (posted, 400)) * 2:
            writer.write(target.filled_bytes(raw))
            answer = await answer_from(reader)
            assert answer.status == status
            assert "upgrade" not in answer.headers


async def test_head_answers_what_get_would_everywhere(target: Target, service: Service) -> None:
    document: Mapping[str, Mapping[str, object]] = (
        await service.api.send("GET", "/openapi.json")
    ).json["paths"]
    admin = {"Authorization": target.filled("Bearer {token}"), **service.api.internal}
    asked = [target.filled(path) for path, methods in document.items() if "get" in methods]
    assert len(asked) > 10
    for path in (*asked, "/nowhere", "/api/v1/events/x", "/docs/init.js"):
        headers = admin if "/admin/" in path else service.api.internal
        if path == "/metrics":
            continue
        got = await service.api.send("GET", path, headers=headers)
        head = await service.api.send("HEAD", path, headers=headers)
        assert (head.status, head.body) == (got.status, b""), path
        changing = {"X-Request-ID", "Date"}
        assert {name: to for name, to in head.headers.items() if name not in changing} == {
            name: to for name, to in got.headers.items() if name not in changing
        }, path
