"""How the user service vouches for admins, asked over a real socket."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import asyncpg
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, unused_port
from multidict import CIMultiDict

from db.admin_store import AdminStore, NewAdmin
from db.audit_store import Audited, AuditEntry
from db.database import Database
from evently.domain.admins import Admin
from routes.auth.admin_tokens import ISSUER, AdminTokens
from routes.auth.bearer import Bearer
from routes.auth.circuit_breaker import CircuitBreaker
from routes.auth.user_service import CACHED_S, UserService, UserServiceUnavailable
from routes.contract.errors import ApiError
from routes.request_context import traceparent_now

SECRET = "0123456789abcdef0123456789abcdef"
THEIR_SECRET = "fedcba9876543210fedcba9876543210"
ADMIN_ID = "8c0f6a0e-58c5-4d0b-9f5c-2d2b6a1b0c11"
YES = {"valid": True, "admin_id": ADMIN_ID, "role": "admin"}

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Users:
    """A user service that answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = json.dumps(YES).encode()
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.traceparents: list[str | None] = []
        self.silent = asyncio.Event()
        self.silent.set()
        self.clock = Clock()
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        key = request.headers.get("X-API-Key")
        self.traceparents.append(request.headers.get("traceparent"))
        self.asked.append((request.method, request.path, key, await request.json()))
        await self.silent.wait()
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def say(self, status: int, body: Any) -> None:
        """Answer this from now on."""
        self.status, self.body = status, json.dumps(body).encode()


@pytest.fixture
async def users() -> AsyncIterator[Users]:
    """A user service; `users.url` is where it is."""
    told = Users()
    async with RawTestServer(told.answer) as server:
        told.url = str(server.make_url(""))
        yield told
        told.silent.set()


@pytest.fixture
async def client(users: Users) -> AsyncIterator[UserService]:
    """A client of it, whose clocks are set by hand."""
    made = asking(users)
    yield made
    await made.close()


def asking(users: Users, **changed: Any) -> UserService:
    """A client of `users`."""
    settings = {"clock": users.clock, "breaker": CircuitBreaker(clock=users.clock), **changed}
    return UserService(settings.pop("url", users.url), "our-key", **settings)


async def unanswered(awaitable: Any) -> UserServiceUnavailable:
    """The exception that `awaitable` raises for a user service that does not answer."""
    with pytest.raises(UserServiceUnavailable) as raised:
        await awaitable
    return raised.value


async def refusal_of(awaitable: Any) -> ApiError:
    """The ApiError that `awaitable` raises."""
    with pytest.raises(ApiError) as raised:
        await awaitable
    return raised.value


async def test_it_is_asked_as_the_contract_says(users: Users, client: UserService) -> None:
    assert await client.verify("a.b.c") == Admin(ADMIN_ID, "admin")
    assert users.asked == [("POST", "/internal/auth/verify", "our-key", {"token": "a.b.c"})]


async def test_the_trace_of_the_request_goes_along(users: Users, client: UserService) -> None:
    await client.verify("a.b.c")
    traceparent_now.set(TRACEPARENT)
    await client.verify("d.e.f")
    assert users.traceparents == [None, TRACEPARENT]


async def test_a_slash_at_the_end_of_the_url_is_not_doubled(users: Users) -> None:
    client = asking(users, url=users.url + "/")
    await client.verify("a.b.c")
    assert users.asked[0][1] == "/internal/auth/verify"
    await client.close()


@pytest.mark.parametrize("status", [201, 204, 301, 302, 400, 401, 403, 404, 422])
async def test_any_other_status_is_a_no(users: Users, client: UserService, status: int) -> None:
    users.say(status, YES)
    users.headers = {"Location": "/elsewhere"}
    assert await client.verify("a.b.c") is None
    assert len(users.asked) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_no_answer_is_neither_yes_nor_no_and_not_remembered(
    users: Users, client: UserService, status: int
) -> None:
    users.say(status, YES)
    assert (await unanswered(client.verify("a.b.c"))).retry_after_s == 2
    users.say(200, YES)
    assert await client.verify("a.b.c") == Admin(ADMIN_ID, "admin")


async def test_a_refused_connection_is_no_answer(users: Users) -> None:
    client = asking(users, url=f"http://127.0.0.1:{unused_port()}")
    await unanswered(client.verify("a.b.c"))
    await client.close()


async def test_an_answer_that_takes_too_long_is_no_answer(users: Users) -> None:
    users.silent.clear()
    client = asking(users, timeout_s=0.05)
    await unanswered(client.verify("a.b.c"))
    await client.close()


async def test_a_body_that_is_too_long_is_a_no(users: Users, client: UserService) -> None:
    users.say(200, {**YES, "padding": "p" * 20_000})
    assert await client.verify("a.b.c") is None


@pytest.mark.parametrize("valid", [True, False])
async def test_an_answer_is_cached_for_30_s_at_most(
    users: Users, client: UserService, *, valid: bool
) -> None:
    users.say(200, {**YES, "valid": valid})
    first = await client.verify("a.b.c")
    users.clock.now_s += CACHED_S - 0.1
    assert await client.verify("a.b.c") == first
    assert len(users.asked) == 1
    users.clock.now_s += 0.1
    await client.verify("a.b.c")
    assert len(users.asked) == 2


async def test_a_longer_cache_cannot_be_set(users: Users) -> None:
    client = asking(users, cached_s=3600.0)
    await client.verify("a.b.c")
    users.clock.now_s += CACHED_S
    await client.verify("a.b.c")
    assert len(users.asked) == 2
    await client.close()


async def test_the_cache_evicts_the_least_recently_used(users: Users) -> None:
    client = asking(users, cached_max=2)
    for token in ("a", "b", "a", "c", "a"):
        await client.verify(token)
    assert [asked[3]["token"] for asked in users.asked] == ["a", "b", "c"]
    await client.verify("b")
    assert len(users.asked) == 4
    await client.close()


async def test_failures_in_a_row_open_the_circuit_until_a_try_succeeds(
    users: Users, client: UserService
) -> None:
    users.say(500, {})
    for number in range(20):
        await unanswered(client.verify(f"token-{number}"))
    assert len(users.asked) == 5
    assert (await unanswered(client.verify("a.b.c"))).retry_after_s == 10
    users.say(200, YES)
    users.clock.now_s += 10.0
    assert await client.verify("a.b.c") is not None
    assert await client.verify("d.e.f") is not None


async def test_a_no_is_an_answer_and_opens_no_circuit(users: Users, client: UserService) -> None:
    users.say(401, {})
    for number in range(20):
        assert await client.verify(f"token-{number}") is None
    assert len(users.asked) == 20


async def test_one_past_the_bound_in_flight_is_refused_at_once(users: Users) -> None:
    users.silent.clear()
    client = asking(users, in_flight_max=2)
    asked = [asyncio.ensure_future(client.verify(token)) for token in "ab"]
    await asyncio.sleep(0)
    await unanswered(client.verify("c"))
    users.silent.set()
    assert await asyncio.gather(*asked) == [Admin(ADMIN_ID, "admin")] * 2
    assert await client.verify("c") is not None
    await client.close()


async def test_a_cancelled_request_frees_its_place_and_is_no_failure(users: Users) -> None:
    users.silent.clear()
    breaker = CircuitBreaker(failures_max=1, clock=users.clock)
    client = asking(users, in_flight_max=1, breaker=breaker)
    asked = asyncio.ensure_future(client.verify("a"))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    users.silent.set()
    assert await client.verify("a") == Admin(ADMIN_ID, "admin")
    await client.close()


# With a bearer token in a request


def foreign(**changed: Any) -> str:
    """A token of the user service's own."""
    claims = {"sub": "u1", "iss": "users", "jti": uuid.uuid4().hex, "exp": time.time() + 60}
    return jwt.encode({**claims, **changed}, THEIR_SECRET, algorithm="HS256")


def sent(token: str) -> "CIMultiDict[str]":
    """The headers of a request that bears it."""
    return CIMultiDict({"Authorization": f"Bearer {token}"})


@pytest.fixture
async def admins(database_url: str) -> AsyncIterator[AdminStore]:
    """The admins that are known here: none yet."""
    async with Database(database_url) as database:
        yield AdminStore(database)


async def test_an_admin_of_the_user_service_is_admitted(
    admins: AdminStore, users: Users, client: UserService
) -> None:
    bearer = Bearer(admins, AdminTokens(SECRET), client)
    admin = await bearer.authenticate(sent(foreign()))
    assert (admin.admin_id, admin.role) == (ADMIN_ID, "admin")
    assert "admins:register" in admin.permissions


async def test_anybody_else_is_401(admins: AdminStore, users: Users, client: UserService) -> None:
    bearer = Bearer(admins, AdminTokens(SECRET), client)
    for answer in ({**YES, "role": "customer"}, {"valid": False}, {}):
        users.say(200, answer)
        refusal = await refusal_of(bearer.authenticate(sent(foreign())))
        assert (refusal.status, "WWW-Authenticate" in refusal.headers) == (401, True)
    assert len(users.asked) == 3


async def test_a_user_service_that_does_not_answer_is_503(
    admins: AdminStore, users: Users, client: UserService
) -> None:
    users.say(500, {})
    bearer = Bearer(admins, AdminTokens(SECRET), client)
    refusal = await refusal_of(bearer.authenticate(sent(foreign())))
    assert (refusal.status, refusal.code) == (503, "OVERLOADED")
    assert "user service" in refusal.message
    assert refusal.headers == {"Retry-After": "2"}


async def test_without_a_user_service_its_tokens_are_401(admins: AdminStore) -> None:
    bearer = Bearer(admins, AdminTokens(SECRET))
    assert (await refusal_of(bearer.authenticate(sent(foreign())))).status == 401


NOT_ASKED = {
    "forged in this service's name": lambda: foreign(iss=ISSUER),
    "expired": lambda: foreign(exp=time.time() - 1),
    "alg none": lambda: jwt.encode({"iss": "users"}, "", algorithm="none") + "AAAA",
    "no token": lambda: "abc",
    "signed here, with wrong claims": lambda: jwt.encode({"iss": "users"}, SECRET),
}


@pytest.mark.parametrize("make", NOT_ASKED.values(), ids=NOT_ASKED.keys())
async def test_a_token_that_cannot_be_its_own_is_not_sent_there(
    admins: AdminStore, users: Users, client: UserService, make: Any
) -> None:
    bearer = Bearer(admins, AdminTokens(SECRET), client)
    assert (await refusal_of(bearer.authenticate(sent(make())))).status == 401
    assert users.asked == []


async def test_a_token_that_was_signed_here_is_not_sent_there(
    admins: AdminStore, users: Users, client: UserService
) -> None:
    tokens = AdminTokens(SECRET)
    bearer = Bearer(admins, tokens, client)
    refusal = await refusal_of(bearer.authenticate(sent(tokens.sign(ADMIN_ID, "admin"))))
    assert refusal.status == 401
    assert users.asked == []


async def test_a_cached_yes_does_not_outlive_its_token(
    admins: AdminStore, users: Users, client: UserService
) -> None:
    wall = Mock(return_value=time.time())
    bearer = Bearer(admins, AdminTokens(SECRET, clock=wall), client)
    token = foreign(exp=wall() + 10)
    await bearer.authenticate(sent(token))
    wall.return_value += 10
    assert (await refusal_of(bearer.authenticate(sent(token)))).status == 401


async def test_an_admin_who_is_deactivated_here_is_refused_whatever_the_user_service_says(
    admins: AdminStore, users: Users, client: UserService, database_url: str
) -> None:
    bearer = Bearer(admins, AdminTokens(SECRET), client)
    entry = AuditEntry(Audited.ADMIN_REGISTERED, "test", "req-1", ADMIN_ID, {})
    await admins.add_admin(NewAdmin(ADMIN_ID, "a@x.io", "-", "Ada", None, "admin"), entry)
    token = foreign()
    await bearer.authenticate(sent(token))
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE admins SET is_active = false")
    await connection.close()
    assert (await refusal_of(bearer.authenticate(sent(token)))).status == 401
