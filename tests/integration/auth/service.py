"""Authentication on a real database, called through its handlers."""

import asyncio
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from db.account_store import AccountStore
from db.admin_store import AdminStore
from db.audit_store import AuditStore
from db.database import Database
from db.refresh_store import FAMILY_LIMITS, FamilyLimits, RefreshStore
from db.throttle_store import ThrottleStore
from evently.domain.admins import Admin, EmailTaken, Profile, Role
from evently.domain.errors import Fault
from routes.auth.admin_tokens import AdminTokens
from routes.auth.bearer import Bearer
from routes.auth.client_address import ClientAddress
from routes.auth.passwords import Passwords
from routes.auth.registration import Registration, add_admin
from routes.auth.sessions import Sessions
from routes.auth.throttle import Limits, Throttle
from routes.call import Call
from routes.contract import account_answers
from routes.contract.account_bodies import Login, RefreshToken
from routes.contract.account_bodies import Registration as RegistrationBody
from routes.contract.answers import Message
from routes.contract.errors import ApiError, failed
from routes.contract.validation import read_body
from routes.handlers import auth as handlers
from routes.services import AdminAuth

SECRET = "0123456789abcdef0123456789abcdef"
PASSWORD = "correct horse"
PROXIES = (ip_network("10.0.0.0/8"),)
PROXY = ("10.0.0.1", 4711)


class Ends:
    """Remembers how logins ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def login(self, outcome: str) -> None:
        """Remember one."""
        self.seen.append(outcome)


class Service:
    """The handlers of one worker on a database, and a look at what they stored."""

    def __init__(
        self,
        database: Database,
        url: str,
        *,
        limits: Limits | None = None,
        passwords: Passwords | None = None,
        addresses: ClientAddress | None = None,
        registration_open: bool = True,
        refresh_ttl_s: float = 604_800.0,
        family_limits: FamilyLimits = FAMILY_LIMITS,
    ) -> None:
        self.url = url
        self.ends = Ends()
        self.admins = AdminStore(database)
        self.accounts = AccountStore(database)
        self.passwords = passwords or Passwords(cost=4, waiting_max=200)
        tokens = AdminTokens(SECRET)
        throttle = Throttle(ThrottleStore(database), limits)
        self.bearer = Bearer(self.admins, tokens)
        self.refreshes = RefreshStore(database, family_limits)
        self.sessions = Sessions(
            admins=self.admins,
            refreshes=self.refreshes,
            audit=AuditStore(database),
            tokens=tokens,
            passwords=self.passwords,
            throttle=throttle,
            observer=self.ends,
            refresh_ttl_s=refresh_ttl_s,
        )
        self._parts = AdminAuth(
            bearer=self.bearer,
            registration=Registration(
                admins=self.admins,
                tokens=tokens,
                passwords=self.passwords,
                throttle=throttle,
                is_open=registration_open,
                refresh_ttl_s=refresh_ttl_s,
            ),
            sessions=self.sessions,
            addresses=addresses or ClientAddress(PROXIES),
        )

    def close(self) -> None:
        """Stop the bcrypt thread."""
        self.passwords.close()

    async def register(
        self, email: str = "ada@x.io", bearer: str | None = None, **fields: Any
    ) -> account_answers.Registered:
        """Register, with defaults."""
        given = {"email": email, "password": PASSWORD, "name": "Ada", **fields}
        body = read_body(RegistrationBody, given)
        return await handlers.register(self._call(body, "req-1", request(bearer=bearer)))

    async def login(
        self, email: str = "ada@x.io", password: str = PASSWORD, address: str = "192.0.2.1"
    ) -> account_answers.LoggedIn:
        """Log in from an address."""
        body = read_body(Login, {"email": email, "password": password})
        return await handlers.login(self._call(body, "req-2", request(address=address)))

    async def refresh(self, refresh_token: str, request_id: str) -> account_answers.Refreshed:
        """Refresh. The body's model is skipped, so that any text gets as far as the handler."""
        body = RefreshToken.model_construct(refresh_token=refresh_token)
        return await handlers.refresh(self._call(body, request_id, request()))

    async def logout(self, refresh_token: str, request_id: str) -> Message:
        """Log out, likewise."""
        body = RefreshToken.model_construct(refresh_token=refresh_token)
        return await handlers.logout(self._call(body, request_id, request()))

    async def authenticate(self, token: str) -> Admin:
        """The admin whose access token this is."""
        return await self.bearer.authenticate(CIMultiDict({"Authorization": f"Bearer {token}"}))

    async def add(self, role: Role, email: str) -> Admin | EmailTaken:
        """Add an admin as the command line does."""
        return await add_admin(
            self.admins,
            self.passwords,
            Profile(email, "Ada", None, role),
            PASSWORD,
            caller="command line",
            request_id="command line",
        )

    async def create(self, role: Role) -> account_answers.LoggedIn:
        """An admin of any role, logged in."""
        await self.add(role, f"{role}@x.io")
        return await self.login(f"{role}@x.io")

    async def sql(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run a statement by hand."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *args)
            return rows
        finally:
            await connection.close()

    async def content(self) -> dict[str, list[Any]]:
        """All rows of the tables of authentication, except the counts."""
        tables = ("admins", "refresh_families", "refresh_tokens", "admin_audit")
        return {
            table: [tuple(row) for row in await self.sql(f"SELECT * FROM {table} ORDER BY 1")]
            for table in tables
        }

    async def later(self, seconds: float) -> None:
        """Let time pass for the tokens that have been used."""
        await self.sql(
            "UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => $1)", seconds
        )

    async def windows_end(self) -> None:
        """Let the windows of all limits pass."""
        await self.sql("UPDATE auth_attempts SET window_ends_at = now() - interval '1 s'")
        await self.sql("UPDATE refresh_families SET window_ends_at = now() - interval '1 s'")

    def call(self, admin: Admin, body: Any = None, query: Any = None, **params: str) -> Call:
        """A call of this admin."""
        call = self._call(body, "req-9", request())
        call.admin, call.query, call.params = admin, query, params
        return call

    def _call(self, body: Any, request_id: str, sent: web.Request) -> Call:
        services = SimpleNamespace(admin_auth=self._parts, accounts=self.accounts)
        call = Call("POST", sent.headers, cast(Any, services), sent)
        call.request_id, call.body = request_id, body
        return call


MakeService = Callable[..., Service]


def request(*, bearer: str | None = None, address: str = "192.0.2.1") -> web.Request:
    """A request of a client, through a trusted proxy."""
    transport = Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (
        PROXY if name == "peername" else default
    )
    headers = CIMultiDict({"X-Forwarded-For": address})
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    return make_mocked_request("POST", "/", headers, transport=transport)


async def refusal_of(awaitable: Any) -> ApiError:
    """The ApiError that `awaitable` raises."""
    with pytest.raises(ApiError) as raised:
        await awaitable
    return raised.value


async def statuses(awaitables: list[Any]) -> Counter[int]:
    """How often all of them, run concurrently, ended in each status; 200 is any success."""
    ended = await asyncio.gather(*awaitables, return_exceptions=True)
    return Counter(map(_status, ended))


def _status(end: object) -> int:
    if isinstance(end, Fault):
        return failed(end, reads=False).status
    if isinstance(end, BaseException) and not isinstance(end, ApiError):
        raise end
    return end.status if isinstance(end, ApiError) else 200
