"""Logins as a load: they wait for each other, and nobody else waits for them."""

import asyncio
import statistics
import time
from uuid import uuid4

from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer
from tests.until import until

LOGIN, REGISTER = "/api/v1/auth/admin/login", "/api/v1/auth/admin/register"
PASSWORD = "correct horse"
LOGINS = 100
MOVES = 40
# What a seat move takes on a busy machine; behind logins it would take a quarter of a second for
# each of them.
MOVE_MEDIAN_S = 0.2
MOVE_S = 3.0
# How far apart two kinds of failure may be in time: bcrypt takes 0.2 s, and what it is skipped
# for takes none.
ALIKE = 4.0


async def register(service: Service) -> str:
    """The email of a new admin."""
    email = f"{uuid4().hex}@example.org"
    body = {"email": email, "password": PASSWORD, "name": "Ada"}
    assert (await service.api.call("POST", REGISTER, body=body)).status == 201
    return email


async def login(service: Service, email: str, password: str = PASSWORD) -> Answer:
    body = {"email": email, "password": password}
    return await service.api.call("POST", LOGIN, body=body, fresh=True)


async def test_a_hundred_logins_at_once_are_bounded_and_hold_up_no_seat_move(
    service: Service,
) -> None:
    email = await register(service)
    event_id = (await service.clients.published_event())["event_id"]
    logins = [asyncio.create_task(login(service, email)) for _ in range(LOGINS)]
    ended: list[asyncio.Task[Answer]] = []

    def seen() -> bool:
        ended[:] = [one for one in logins if one.done()]
        return {one.result().status for one in ended} >= {200, 429}

    took_s = []
    try:
        for _ in range(MOVES):
            started_s = time.perf_counter()
            assert (await service.clients.reserve(event_id, 1)).status == 200
            took_s.append(time.perf_counter() - started_s)
        assert not all(one.done() for one in logins), "the logins were over before the moves"
        await until(seen, 20, "a login, and one that was refused")
    finally:
        # The rest need not be waited for: who hangs up takes no hash.
        for one in logins:
            one.cancel()
        await asyncio.gather(*logins, return_exceptions=True)
    assert statistics.median(took_s) < MOVE_MEDIAN_S, took_s
    assert max(took_s) < MOVE_S, took_s
    # On a busy machine a login may also have waited too long for the database.
    assert {one.result().status for one in ended} <= {200, 429, 503}
    refused = [one.result() for one in ended if one.result().status != 200]
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert (await login(service, email)).status == 200


async def test_an_unknown_email_takes_as_long_as_a_wrong_password(service: Service) -> None:
    email = await register(service)
    took_s: dict[bool, list[float]] = {True: [], False: []}
    bodies = set()
    for _ in range(3):
        for known in (True, False):
            tried = email if known else f"{uuid4().hex}@example.org"
            started_s = time.perf_counter()
            answer = await login(service, tried, "wrong horse")
            took_s[known].append(time.perf_counter() - started_s)
            assert answer.status == 401
            bodies.add((answer.json["error"]["message"], str(answer.details)))
    assert len(bodies) == 1
    ratio = statistics.median(took_s[True]) / statistics.median(took_s[False])
    assert 1 / ALIKE < ratio < ALIKE, took_s
