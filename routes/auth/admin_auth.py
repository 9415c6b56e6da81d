"""How admins register, log in, stay logged in and log out.

Rule: whoever fails learns that, and nothing else: an unknown email, a wrong password and a
disabled admin get the same answer after the same work; so do all refresh tokens that are no good.
(That an email is taken, registration has to say.)

A refresh token that was used and comes back revokes its family: somebody has a copy. One that is
used twice at the same moment is an impatient client, and the second use merely loses; through
two workers that is told by the database's clock, which in doubt calls it a copy.

Registration, open or closed, gives `event_manager` or `admin`. While it is closed it takes the
bearer token of an `admin` or `super_admin`; `super_admin` always takes a super_admin's. Without
that it is 403, with a token that is no good 401. An `Authorization` header that nothing asks for
is not read. `create_admin` is for the command line, whose user has the database anyway.
"""

import time
import uuid
from collections.abc import Callable
from typing import Literal, Protocol

from aiohttp import web

from db.admin_store import AdminStore, Credentials, NewAdmin, NewFamily
from db.audit_store import Audited, AuditEntry, AuditStore
from db.refresh_store import RefreshStore
from routes.auth.admin import Admin
from routes.auth.admin_tokens import AdminTokens
from routes.auth.bearer import Bearer
from routes.auth.client_address import ClientAddress
from routes.auth.passwords import Passwords
from routes.auth.refresh_token import new_refresh_token, sha256_of
from routes.auth.roles import ADMIN, PERMISSIONS, SUPER_ADMIN
from routes.auth.throttle import LoginAttempt, RegistrationAttempt, Throttle
from routes.auth.user_service import UserService
from routes.contract.answers import LoggedIn, Message, Refreshed, Registered
from routes.contract.bodies import Login, Registration
from routes.contract.errors import ApiError, Code, forbidden, unauthorized
from routes.contract.headers import AUTHORIZATION

REFRESH_TTL_S = 7 * 86_400.0
ANONYMOUS, COMMAND_LINE = "anonymous", "command line"

LoginOutcome = Literal["succeeded", "failed", "throttled", "unanswered"]


class LoginObserver(Protocol):
    """Whoever counts logins."""

    def login(self, outcome: LoginOutcome) -> None:
        """A login has ended; `throttled` covers every 429, `unanswered` every fault."""


class AdminAuth:
    """All that `/api/v1/auth/admin` does, and the reading of bearer tokens."""

    def __init__(
        self,
        *,
        admins: AdminStore,
        refreshes: RefreshStore,
        audit: AuditStore,
        tokens: AdminTokens,
        passwords: Passwords,
        throttle: Throttle,
        observer: LoginObserver,
        addresses: ClientAddress | None = None,
        user_service: UserService | None = None,
        registration_open: bool = True,
        refresh_ttl_s: float = REFRESH_TTL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admins = admins
        self._refreshes = refreshes
        self._audit = audit
        self._tokens = tokens
        self._passwords = passwords
        self._throttle = throttle
        self._observer = observer
        self._addresses = addresses or ClientAddress()
        self._user_service = user_service
        self._bearer = Bearer(admins, tokens, user_service)
        self._registration_open = registration_open
        self._refresh_ttl_s = refresh_ttl_s
        self._clock = clock
        self._refreshing: set[bytes] = set()

    async def close(self) -> None:
        """Stop the bcrypt thread and close connections to the user service."""
        self._passwords.close()
        if self._user_service is not None:
            await self._user_service.close()

    async def authenticate(self, request: web.BaseRequest) -> Admin:
        """The admin whose bearer token comes with `request`. Raises ApiError 400, 401 or 503."""
        return await self._bearer.authenticate(request)

    async def register(
        self, registration: Registration, request: web.BaseRequest, request_id: str
    ) -> Registered:
        """Add an admin and log him in. Raises ApiError 401, 403, 409 or 429."""
        caller = await self._registrar(registration.role, request)
        address = self._addresses.of(request)
        limits = self._throttle.limits
        await self._throttle.registering(RegistrationAttempt(limits, registration.email, address))
        refresh_token, family = self._new_family()
        admin_id = await self._add(registration, caller, request_id, family)
        return Registered(
            admin_id=admin_id,
            email=registration.email,
            name=registration.name,
            access_token=self._tokens.sign(admin_id, registration.role),
            refresh_token=refresh_token,
        )

    async def create_admin(self, registration: Registration) -> str:
        """Add an admin of any role for the command line; the new id. Raises ApiError 409."""
        return await self._add(registration, COMMAND_LINE, COMMAND_LINE, None)

    async def login(self, login: Login, request: web.BaseRequest, request_id: str) -> LoggedIn:
        """Tokens for the right password. Raises ApiError 401 or 429."""
        outcome: LoginOutcome = "unanswered"
        try:
            answer = await self._log_in(login, self._addresses.of(request), request_id)
            outcome = "succeeded"
        except ApiError as error:
            outcome = "throttled" if error.code is Code.RATE_LIMITED else "failed"
            raise
        finally:
            self._observer.login(outcome)
        return answer

    async def refresh(self, refresh_token: str, request_id: str) -> Refreshed:
        """The next pair of tokens; a used token that comes back revokes its family. Or 401."""
        used = sha256_of(refresh_token)
        if used is None or used in self._refreshing:
            raise _bad_refresh_token()
        self._refreshing.add(used)
        try:
            return await self._refresh(used, request_id)
        finally:
            self._refreshing.discard(used)

    async def logout(self, refresh_token: str, request_id: str) -> Message:
        """End the token's family, again if need be. Raises ApiError 401 for an unknown one."""
        known = sha256_of(refresh_token)
        if known is None or not await self._refreshes.revoke_family(known, request_id):
            raise _bad_refresh_token()
        return Message("Logged out")

    async def _refresh(self, used: bytes, request_id: str) -> Refreshed:
        began = self._clock()
        following = new_refresh_token()
        owner = await self._refreshes.rotate_refresh_token(
            used, _sha256_of_new(following), self._refresh_ttl_s
        )
        if owner is None:
            waited_s = self._clock() - began
            await self._refreshes.revoke_reused_family(used, waited_s, request_id)
            raise _bad_refresh_token()
        return Refreshed(self._tokens.sign(owner.admin_id, owner.role), following)

    async def _registrar(self, role: str, request: web.BaseRequest) -> str:
        """Who registers an admin of `role`. Raises ApiError 401 or 403 for one who may not."""
        if role == SUPER_ADMIN:
            allowed: tuple[str, ...] = (SUPER_ADMIN,)
            message = "Only a super_admin may register a super_admin"
        elif not self._registration_open:
            allowed = (ADMIN, SUPER_ADMIN)
            message = "Registration is closed; an admin or super_admin may register others"
        else:
            return ANONYMOUS
        if AUTHORIZATION not in request.headers:
            raise forbidden(message)
        admin = await self.authenticate(request)
        if admin.role not in allowed:
            raise forbidden(message)
        return admin.caller

    async def _add(
        self, registration: Registration, caller: str, request_id: str, family: NewFamily | None
    ) -> str:
        if await self._admins.find_admin_by_email(registration.email) is not None:
            # It spares the hashing; of several at once the unique index lets one pass.
            raise _email_exists()
        admin_id = str(uuid.uuid4())
        admin = NewAdmin(
            admin_id=admin_id,
            email=registration.email,
            password_hash=await self._passwords.hash(registration.password),
            name=registration.name,
            phone_number=registration.phone_number,
            role=registration.role,
        )
        details = {"role": registration.role}
        entry = AuditEntry(Audited.ADMIN_REGISTERED, caller, request_id, admin_id, details)
        if not await self._admins.add_admin(admin, entry, family):
            raise _email_exists()
        return admin_id

    async def _log_in(self, login: Login, address: str, request_id: str) -> LoggedIn:
        attempt = LoginAttempt(self._throttle.limits, login.email, address)
        await self._throttle.check(attempt)
        # PostgreSQL holds no text with NUL in it, so no email has one.
        found = await self._admins.find_admin_by_email(login.email.replace("\0", "\ufffd"))
        stored = found.password_hash if found is not None else None
        right = await self._passwords.matches(login.password, stored)
        if found is None or not right or not found.is_active:
            await self._failed(attempt, found, address, request_id)
            raise _wrong_password()
        await self._throttle.succeeded(attempt)
        return await self._logged_in(found)

    async def _failed(
        self, attempt: LoginAttempt, found: Credentials | None, address: str, request_id: str
    ) -> None:
        """Count a failure, and note the one that reaches a limit: a burst, once per window."""
        subject_id = found.admin_id if found is not None else None
        for limit in await self._throttle.failed(attempt):
            details = {"limit": limit.name, "failures": limit.attempts_max, "address": address}
            await self._audit.record_audit(
                AuditEntry(Audited.LOGIN_THROTTLED, ANONYMOUS, request_id, subject_id, details)
            )

    async def _logged_in(self, admin: Credentials) -> LoggedIn:
        refresh_token, family = self._new_family()
        await self._refreshes.start_refresh_family(admin.admin_id, family)
        return LoggedIn(
            admin_id=admin.admin_id,
            access_token=self._tokens.sign(admin.admin_id, admin.role),
            refresh_token=refresh_token,
            role=admin.role,
            permissions=list(PERMISSIONS[admin.role]),
        )

    def _new_family(self) -> tuple[str, NewFamily]:
        token = new_refresh_token()
        return token, NewFamily(_sha256_of_new(token), self._refresh_ttl_s)


def _sha256_of_new(token: str) -> bytes:
    digest = sha256_of(token)
    assert digest is not None, "a new token has the shape of one"
    return digest


def _wrong_password() -> ApiError:
    return unauthorized("Email or password is wrong")


def _bad_refresh_token() -> ApiError:
    return unauthorized("The refresh token is not valid; log in again")


def _email_exists() -> ApiError:
    return ApiError(Code.EMAIL_ALREADY_EXISTS, "An admin with this email already exists")
