"""How admins log in, stay logged in and log out.

Rule: a refusal costs the same work whatever its reason, so that its time does not tell more than
its answer: every failed login hashes once.

A used refresh token that is sent again revokes its family, because somebody has a copy of it.
Within REUSE_S of its use it merely loses, for that is two tabs, or a client that tries again,
whichever workers they met; the database's clock decides. A login is continued only so often: see
FamilyLimits.
"""

import time
from collections.abc import Callable
from typing import Literal, Protocol

from db.admin_store import AdminStore
from db.audit_store import Audited, AuditEntry, AuditStore
from db.refresh_store import RefreshStore
from evently.domain.admins import (
    ANONYMOUS,
    Admin,
    InvalidRefreshToken,
    LoggedIn,
    LoggedOut,
    LoginOutcome,
    LogoutOutcome,
    NoAccount,
    PasswordOutcome,
    Refreshed,
    RefreshOutcome,
    Throttled,
    Tokens,
    WrongPassword,
)
from evently.domain.errors import TooManyLogins
from evently.domain.origin import Origin
from routes.auth.admin_tokens import AdminTokens
from routes.auth.passwords import Passwords
from routes.auth.refresh_token import TTL_S, new_refresh_token, sha256_of
from routes.auth.throttle import LoginAttempt, Throttle

# Longer than a client waits before it tries again, and shorter than a thief can count on.
REUSE_S = 10.0

LoginEnd = Literal["succeeded", "failed", "throttled", "unanswered"]

_ENDS: dict[type[LoginOutcome], LoginEnd] = {
    LoggedIn: "succeeded",
    WrongPassword: "failed",
    Throttled: "throttled",
}


class LoginObserver(Protocol):
    """Counts logins."""

    def login(self, outcome: LoginEnd) -> None:
        """A login has ended; `throttled` is every 429, `unanswered` every other fault."""


class Sessions:
    """The logins of admins: each is a family of refresh tokens."""

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
        refresh_ttl_s: float = TTL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admins = admins
        self._refreshes = refreshes
        self._audit = audit
        self._tokens = tokens
        self._passwords = passwords
        self._throttle = throttle
        self._observer = observer
        self._refresh_ttl_s = refresh_ttl_s
        self._clock = clock

    async def login(
        self, email: str, password: str, *, address: str, request_id: str
    ) -> LoginOutcome:
        """Start a login. `address` is the client's, for the throttle. Raises TooManyLogins."""
        end: LoginEnd = "unanswered"
        try:
            with self._passwords.place():
                outcome = await self._log_in(email, password, address, request_id)
            end = _ENDS[type(outcome)]
        except TooManyLogins:
            end = "throttled"
            raise
        finally:
            self._observer.login(end)
        return outcome

    async def refresh(self, refresh_token: str, request_id: str) -> RefreshOutcome:
        """The next pair of tokens; reusing an old one revokes its family."""
        used = sha256_of(refresh_token)
        if used is None:
            return InvalidRefreshToken()
        began = self._clock()
        following = new_refresh_token()
        found = await self._refreshes.rotate_refresh_token(
            used, following.sha256, self._refresh_ttl_s
        )
        if isinstance(found, Throttled):
            return found
        if found is None:
            waited_s = self._clock() - began
            await self._refreshes.revoke_reused_family(used, REUSE_S + waited_s, request_id)
            return InvalidRefreshToken()
        access = self._tokens.sign(found.admin_id, found.role)
        return Refreshed(Tokens(access, following.text))

    async def logout(self, refresh_token: str, request_id: str) -> LogoutOutcome:
        """Revoke the token's family; doing so again is as good as once."""
        known = sha256_of(refresh_token)
        if known is None or not await self._refreshes.revoke_family(known, request_id):
            return InvalidRefreshToken()
        return LoggedOut()

    async def change_password(
        self, admin: Admin, old: str, new: str, *, address: str, request_id: str
    ) -> PasswordOutcome:
        """Replace the admin's password and end all their logins but the one that begins now.

        A wrong `old` is a failed login of theirs. Raises TooManyLogins.
        """
        with self._passwords.place():
            return await self._change_password(admin, old, new, address, request_id)

    async def _change_password(
        self, admin: Admin, old: str, new: str, address: str, request_id: str
    ) -> PasswordOutcome:
        found = await self._admins.find_credentials(admin.admin_id)
        if found is None:
            return NoAccount()
        attempt = LoginAttempt(self._throttle.limits, found.email, address)
        throttled = await self._throttle.check(attempt)
        if throttled is not None:
            return throttled
        if not await self._passwords.matches(old, found.password_hash):
            return await self._failed(attempt, admin.admin_id, address, request_id)
        throttled = await self._throttle.succeeded(attempt)
        if throttled is not None:
            return throttled
        hashed = await self._passwords.hash(new)
        origin = Origin(admin.caller, request_id)
        if not await self._admins.replace_password(
            admin.admin_id, found.password_hash, hashed, origin
        ):
            return WrongPassword()
        return Refreshed((await self._start(admin)).tokens)

    async def _log_in(
        self, email: str, password: str, address: str, request_id: str
    ) -> LoginOutcome:
        attempt = LoginAttempt(self._throttle.limits, email, address)
        throttled = await self._throttle.check(attempt)
        if throttled is not None:
            return throttled
        # PostgreSQL stores no text with NUL, so no email has one.
        found = await self._admins.find_admin_by_email(email.replace("\0", "\ufffd"))
        stored = found.password_hash if found is not None else None
        right = await self._passwords.matches(password, stored)
        if found is None or not right or not found.is_active:
            subject_id = found.admin_id if found is not None else None
            return await self._failed(attempt, subject_id, address, request_id)
        throttled = await self._throttle.succeeded(attempt)
        if throttled is not None:
            return throttled
        return await self._start(Admin(found.admin_id, found.role))

    async def _failed(
        self, attempt: LoginAttempt, subject_id: str | None, address: str, request_id: str
    ) -> WrongPassword | Throttled:
        """Count a failure, and record one that reaches a limit: a burst, once in a window."""
        reached = await self._throttle.failed(attempt)
        if isinstance(reached, Throttled):
            return reached
        for limit in reached:
            details = {"limit": limit.name, "failures": limit.attempts_max, "address": address}
            await self._audit.record_audit(
                AuditEntry(Audited.LOGIN_THROTTLED, ANONYMOUS, request_id, subject_id, details)
            )
        return WrongPassword()

    async def _start(self, admin: Admin) -> LoggedIn:
        token = new_refresh_token()
        family = token.family(self._refresh_ttl_s)
        await self._refreshes.start_refresh_family(admin.admin_id, family)
        access = self._tokens.sign(admin.admin_id, admin.role)
        return LoggedIn(admin, Tokens(access, token.text))
