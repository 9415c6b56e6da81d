"""Admins: what their roles permit, and what registering and logging in lead to.

Rules:
1. Permissions follow from the role, here and nowhere else; a client cannot name them.
2. Anybody may register an event_manager or admin while registration is open; while it is closed,
   only an admin who has the permission. A super_admin is always registered by a super_admin.
3. An account is changed by its admin, who needs the old password for a new one, and by
   super_admins. Over HTTP the last active super_admin stays one.
4. A refusal says no more than it must: an unknown email, a wrong password and a deactivated admin
   are the same WrongPassword; every refresh token that does not work is the same
   InvalidRefreshToken. (That an email is taken, registration has to say.)
"""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from evently.domain.value import value

Role: TypeAlias = Literal["event_manager", "admin", "super_admin"]
SUPER_ADMIN: Role = "super_admin"

REGISTER, REGISTER_SUPER_ADMIN = "admins:register", "admins:register_super_admin"
MANAGE, READ_AUDIT = "admins:manage", "audit:read_all"
ANY_OWNER, ANY_VENUE = "events:any_owner", "venues:any_owner"
_OWN_EVENTS = ("events:create", "events:read_own", "events:update_own", "events:cancel_own")
_VENUES = ("venues:create", "venues:read", "venues:update", "venues:delete")

PERMISSIONS: Mapping[Role, tuple[str, ...]] = {
    "event_manager": (*_OWN_EVENTS, *_VENUES),
    "admin": (*_OWN_EVENTS, *_VENUES, REGISTER),
    "super_admin": (
        *(*_OWN_EVENTS, *_VENUES, REGISTER, REGISTER_SUPER_ADMIN, ANY_OWNER, ANY_VENUE),
        *(MANAGE, READ_AUDIT),
    ),
}

# The caller in the audit of a request that needs no credentials.
ANONYMOUS = "anonymous"


def role_of(given: object) -> Role | None:
    """`given` as a role, or None if it is not the name of one."""
    return next((role for role in PERMISSIONS if role == given), None)


@value
class Admin:
    """An authenticated admin: `admin_id` is a canonical UUID."""

    admin_id: str
    role: Role

    @property
    def permissions(self) -> tuple[str, ...]:
        """What they may do."""
        return PERMISSIONS[self.role]

    @property
    def any_owner(self) -> bool:
        """Whether they may see and change other admins' events."""
        return ANY_OWNER in self.permissions

    @property
    def any_venue(self) -> bool:
        """Whether they may change and delete other admins' venues."""
        return ANY_VENUE in self.permissions

    @property
    def manages_admins(self) -> bool:
        """Whether they may see all admins, and change their roles and states."""
        return MANAGE in self.permissions

    @property
    def reads_audit(self) -> bool:
        """Whether they may read what all admins did."""
        return READ_AUDIT in self.permissions

    @property
    def caller(self) -> str:
        """Their name in the ledger, the audit and the log."""
        return f"admin:{self.admin_id}"


def admin_of(caller: str) -> str | None:
    """The id of the admin who is the caller of that name in ledger and audit, if it is one."""
    kind, _, admin_id = caller.partition(":")
    return admin_id if kind == "admin" else None


@value
class Profile:
    """What a new admin says of themselves."""

    email: str
    name: str
    phone_number: str | None
    role: Role


@value
class Tokens:
    """An access token, and the refresh token that follows it."""

    access: str
    refresh: str


@value
class Registered:
    """The admin exists and is logged in."""

    admin_id: str
    tokens: Tokens


@value
class LoggedIn:
    """The password was right."""

    admin: Admin
    tokens: Tokens


@value
class Refreshed:
    """The next pair of tokens; the refresh token that was sent is used up."""

    tokens: Tokens


@value
class LoggedOut:
    """The login has ended: none of its refresh tokens works any more."""


@value
class RoleNotAllowed:
    """Only an admin with the permission may register an admin of this role."""

    role: Role


@value
class RegistrationClosed:
    """Only an admin with the permission may register others."""


@value
class LastSuperAdmin:
    """The change would leave no active super_admin, and nobody who can register one."""


@value
class EmailTaken:
    """Another admin has this email, in whatever case."""


@value
class Throttled:
    """Too many attempts; the next is accepted after `retry_after_s`."""

    retry_after_s: int


@value
class WrongPassword:
    """No active admin has this email and password."""


@value
class NoAccount:
    """The admin has no account here: there is none, or the user service keeps it."""


@value
class InvalidRefreshToken:
    """The refresh token is unknown, used, expired or revoked, or its admin is deactivated."""


RegisterOutcome: TypeAlias = (
    Registered | RoleNotAllowed | RegistrationClosed | EmailTaken | Throttled
)
LoginOutcome: TypeAlias = LoggedIn | WrongPassword | Throttled
RefreshOutcome: TypeAlias = Refreshed | InvalidRefreshToken | Throttled
PasswordOutcome: TypeAlias = Refreshed | WrongPassword | Throttled | NoAccount
LogoutOutcome: TypeAlias = LoggedOut | InvalidRefreshToken
Refusal: TypeAlias = (
    RoleNotAllowed
    | RegistrationClosed
    | EmailTaken
    | Throttled
    | WrongPassword
    | InvalidRefreshToken
)


def permission_to_register(role: Role, *, is_open: bool) -> str | None:
    """The permission that registering an admin of `role` takes; None if anybody may.

    `is_open` tells whether registration is open.
    """
    if role == SUPER_ADMIN:
        return REGISTER_SUPER_ADMIN
    return None if is_open else REGISTER


def refuse_registration(
    role: Role, registrar: Admin | None, *, is_open: bool
) -> RoleNotAllowed | RegistrationClosed | None:
    """Why `registrar`, None for somebody unknown, may not register an admin of `role`, if so."""
    permission = permission_to_register(role, is_open=is_open)
    if permission is None or (registrar is not None and permission in registrar.permissions):
        return None
    return RoleNotAllowed(role) if role == SUPER_ADMIN else RegistrationClosed()
