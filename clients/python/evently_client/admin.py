"""What an admin calls: log in, and manage events and venues.

Rules
1. An access token that has expired is renewed with the refresh token, once for all calls that meet
   it, and those calls are sent again.
2. Reads and creations, which have a key, are retried. Other changes have none: after a lost answer
   they are not sent again, and raise OutcomeUnknown.
"""

import asyncio
import ssl as tls
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

import aiohttp

from .admin_events import AdminEvents
from .admin_venues import AdminVenues
from .answers import LoggedIn, Registered, Tokens
from .calls import Call, RetryHook
from .course import ClientLimits, Course, Safety
from .decode import read
from .errors import Unauthorized
from .sent import body_of
from .transport import Answer, Transport

T = TypeVar("T")

_AUTH = "/api/v1/auth/admin"


class _Login:
    """The tokens of an admin, shared by all views of a client, and their renewal if one runs."""

    def __init__(self, tokens: Tokens | None) -> None:
        self.tokens = tokens
        self.renewal: asyncio.Task[None] | None = None


class AdminClient(AdminEvents, AdminVenues):
    """Calls one Event Service for an admin: `log_in` first, or give it `tokens`."""

    def __init__(
        self,
        url: str,
        tokens: Tokens | None = None,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            url, session=session, ssl=ssl, limits=limits, on_retry=on_retry, transport=transport
        )
        self._login = _Login(tokens)

    @property
    def tokens(self) -> Tokens | None:
        """The pair of tokens now; a program that is to stay logged in stores it after use."""
        return self._login.tokens

    async def register(
        self,
        email: str,
        password: str,
        name: str,
        *,
        phone_number: str | None = None,
        role: str = "event_manager",
    ) -> Registered:
        """Register an admin and be logged in as them. Raises Refused if the email is taken."""
        body = {"email": email, "password": password, "name": name, "role": role}
        if phone_number is not None:
            body["phone_number"] = phone_number
        return await self._authenticate("register", body, Registered)

    async def log_in(self, email: str, password: str) -> LoggedIn:
        """Log in. Raises Unauthorized, or Unavailable after too many attempts."""
        return await self._authenticate("login", {"email": email, "password": password}, LoggedIn)

    async def log_out(self) -> None:
        """End this login: its refresh tokens are revoked."""
        tokens = self._login.tokens
        if tokens is not None:
            body = body_of({"refresh_token": tokens.refresh_token})
            call = Call("log_out", "POST", f"{_AUTH}/logout", lambda *_: None, body, Safety.ONCE)
            await super()._call(call)
            self._login.tokens = None

    def _credentials(self) -> Mapping[str, str]:
        tokens = self._login.tokens
        return {} if tokens is None else {"Authorization": f"Bearer {tokens.access_token}"}

    async def _call(self, call: Call[T]) -> T:
        used = self._login.tokens
        try:
            return await super()._call(call)
        except Unauthorized as error:
            if error.status != HTTPStatus.UNAUTHORIZED or used is None:
                raise
        await self._renew(used)
        return await super()._call(call)

    async def _renew(self, used: Tokens) -> None:
        login = self._login
        if login.tokens is not used:
            return
        if login.renewal is None:
            login.renewal = asyncio.create_task(self._refresh(used))
            # Whoever still waits is told of a failure; there may be nobody left.
            login.renewal.add_done_callback(lambda done: done.cancelled() or done.exception())
        # A refresh token works once: a caller who is cancelled must not take the next pair along.
        await asyncio.shield(login.renewal)

    async def _refresh(self, used: Tokens) -> None:
        try:
            await self._authenticate("refresh", {"refresh_token": used.refresh_token}, Tokens)
        finally:
            self._login.renewal = None

    async def _authenticate(self, action: str, body: Mapping[str, str], shape: type[T]) -> T:
        """Keep the tokens of the answer, and return the rest of it."""
        # A second login does no harm; a second registration or refresh would be refused.
        safety = Safety.READ if action == "login" else Safety.ONCE
        call = Call(action, "POST", f"{_AUTH}/{action}", _both(shape), body_of(body), safety)
        answer, tokens = await super()._call(call)
        self._login.tokens = tokens
        return answer


def _both(shape: type[T]) -> Callable[[Answer, Course], tuple[T, Tokens]]:
    return lambda answer, _: (read(shape, answer.body), read(Tokens, answer.body))
