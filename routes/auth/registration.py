"""Adds admins, for registration over HTTP and for the command line.

Rule: who may register whom is decided in `evently.domain.admins`, before anything is counted,
hashed or stored.
"""

import uuid

from db.admin_store import AdminStore, NewAdmin
from db.audit_store import Audited, AuditEntry
from db.refresh_store import NewFamily
from evently.domain.admins import (
    ANONYMOUS,
    Admin,
    EmailTaken,
    Profile,
    Registered,
    RegisterOutcome,
    Role,
    Tokens,
    permission_to_register,
    refuse_registration,
)
from routes.auth.admin_tokens import AdminTokens
from routes.auth.passwords import Passwords
from routes.auth.refresh_token import TTL_S, new_refresh_token
from routes.auth.throttle import RegistrationAttempt, Throttle


class Registration:
    """Registers admins and logs them in."""

    def __init__(
        self,
        *,
        admins: AdminStore,
        tokens: AdminTokens,
        passwords: Passwords,
        throttle: Throttle,
        is_open: bool = True,
        refresh_ttl_s: float = TTL_S,
    ) -> None:
        self._admins = admins
        self._tokens = tokens
        self._passwords = passwords
        self._throttle = throttle
        self._is_open = is_open
        self._refresh_ttl_s = refresh_ttl_s

    @property
    def is_open(self) -> bool:
        """Whether anybody may register."""
        return self._is_open

    def needs_registrar(self, role: Role) -> bool:
        """Whether registering an admin of `role` takes another admin, whose token is then read."""
        return permission_to_register(role, is_open=self._is_open) is not None

    async def register(
        self,
        profile: Profile,
        password: str,
        *,
        registrar: Admin | None,
        address: str,
        request_id: str,
    ) -> RegisterOutcome:
        """Add an admin, on the word of `registrar` if one is needed, and log them in.

        `address` is the client's, for the throttle. Raises TooManyLogins.
        """
        refusal = refuse_registration(profile.role, registrar, is_open=self._is_open)
        if refusal is not None:
            return refusal
        with self._passwords.place():
            return await self._register(profile, password, registrar, address, request_id)

    async def _register(
        self,
        profile: Profile,
        password: str,
        registrar: Admin | None,
        address: str,
        request_id: str,
    ) -> RegisterOutcome:
        attempt = RegistrationAttempt(self._throttle.limits, profile.email, address)
        throttled = await self._throttle.registering(attempt)
        if throttled is not None:
            return throttled
        token = new_refresh_token()
        added = await add_admin(
            self._admins,
            self._passwords,
            profile,
            password,
            caller=ANONYMOUS if registrar is None else registrar.caller,
            request_id=request_id,
            family=token.family(self._refresh_ttl_s),
        )
        if isinstance(added, EmailTaken):
            return added
        access = self._tokens.sign(added.admin_id, added.role)
        return Registered(added.admin_id, Tokens(access, token.text))


async def add_admin(
    admins: AdminStore,
    passwords: Passwords,
    profile: Profile,
    password: str,
    *,
    caller: str,
    request_id: str,
    family: NewFamily | None = None,
) -> Admin | EmailTaken:
    """Add an admin of any role, logged in if a `family` is given."""
    if await admins.find_admin_by_email(profile.email) is not None:
        # Saves the hashing; among concurrent registrations the unique index decides.
        return EmailTaken()
    admin = Admin(str(uuid.uuid4()), profile.role)
    new = NewAdmin(
        admin_id=admin.admin_id,
        email=profile.email,
        password_hash=await passwords.hash(password),
        name=profile.name,
        phone_number=profile.phone_number,
        role=profile.role,
    )
    details = {"role": profile.role}
    entry = AuditEntry(Audited.ADMIN_REGISTERED, caller, request_id, admin.admin_id, details)
    return admin if await admins.add_admin(new, entry, family) else EmailTaken()
