"""Admins in PostgreSQL.

Rule: an email belongs to one admin, whatever its case. The unique index on its folded form decides
that, not a query beforehand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from db.audit_store import AuditEntry
from db.database import Database
from db.refresh_store import NewFamily
from db.statements import Statement
from evently.domain.admins import SUPER_ADMIN, LastSuperAdmin, Role
from evently.domain.origin import Origin
from evently.domain.text import fold_case, normalized
from evently.domain.value import value

EMAIL_ONCE = "admins_email_once"


@value
class NewAdmin:
    """An admin to be added; `admin_id` is a canonical UUID."""

    admin_id: str
    email: str
    password_hash: str
    name: str
    phone_number: str | None
    role: Role


@value
class Credentials:
    """What a login is checked against."""

    admin_id: str
    password_hash: str
    role: Role
    is_active: bool


@value
class OwnCredentials:
    """What the password of a known admin is checked against, and the email they log in with."""

    email: str
    password_hash: str


@value
class Standing:
    """An admin's current role, and whether they may act at all."""

    role: Role
    is_active: bool


@value
class Listed:
    """An admin in the list of all admins."""

    email: str
    name: str
    role: Role
    is_active: bool
    created_at: datetime


class AdminStore:
    """Finds, adds and changes admins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_admin_by_email(self, email: str) -> Credentials | None:
        """What a login with `email` is checked against, or None if no admin has it."""
        row = await self._database.fetchrow(Statement.FIND_ADMIN_BY_EMAIL, *_known_by(email))
        if row is None:
            return None
        admin_id = str(row["admin_id"])
        return Credentials(admin_id, row["password_hash"], row["role"], row["is_active"])

    async def find_admin(self, admin_id: str) -> Standing | None:
        """The admin's current role and state, or None if there is no such admin."""
        row = await self._database.fetchrow(Statement.FIND_ADMIN, admin_id)
        return None if row is None else Standing(row["role"], row["is_active"])

    async def change_role(
        self, email: str, role: Role, caller: str, request_id: str, *, force: bool = False
    ) -> Role | LastSuperAdmin | None:
        """Change the role of the admin with `email`; the previous one, None if no admin has it.

        The last active super_admin keeps the role, unless `force`.
        """
        row = await self._database.fetchrow(
            Statement.CHANGE_ROLE, *_known_by(email), role, SUPER_ADMIN, force, caller, request_id
        )
        if row is None:
            return None
        previous: Role = row["role"]
        return LastSuperAdmin() if row["is_protected"] else previous

    async def change_activity(
        self, email: str, caller: str, request_id: str, *, is_active: bool, force: bool = False
    ) -> bool | LastSuperAdmin | None:
        """(De)activate the admin with `email`; their previous state, None if no admin has it.

        The last active super_admin stays active, unless `force`.
        """
        row = await self._database.fetchrow(
            Statement.CHANGE_ACTIVITY,
            *_known_by(email),
            is_active,
            SUPER_ADMIN,
            force,
            caller,
            request_id,
        )
        if row is None:
            return None
        return LastSuperAdmin() if row["is_protected"] else bool(row["is_active"])

    async def find_credentials(self, admin_id: str) -> OwnCredentials | None:
        """What the admin's password is checked against, or None if they have no account here."""
        row = await self._database.fetchrow(Statement.FIND_CREDENTIALS, admin_id)
        return None if row is None else OwnCredentials(row["email"], row["password_hash"])

    async def replace_password(
        self, admin_id: str, before: str, after: str, origin: Origin
    ) -> bool:
        """Replace the hash `before` and end all logins; False if it is another one by now."""
        row = await self._database.fetchrow(
            Statement.REPLACE_PASSWORD, admin_id, before, after, origin.caller, origin.request_id
        )
        return row is not None

    async def change_password(
        self, email: str, password_hash: str, caller: str, request_id: str
    ) -> bool | None:
        """Set the password of the admin with `email`; whether they are active, None if unknown."""
        row = await self._database.fetchrow(
            Statement.CHANGE_PASSWORD, *_known_by(email), password_hash, caller, request_id
        )
        return None if row is None else bool(row["is_active"])

    async def list_admins(self) -> Sequence[Listed]:
        """All admins, by email."""
        return [Listed(**row) for row in await self._database.fetch(Statement.LIST_ADMINS)]

    async def add_admin(
        self, admin: NewAdmin, entry: AuditEntry, family: NewFamily | None = None
    ) -> bool:
        """Add `admin`, logged in if a `family` is given; False if the email is taken."""
        try:
            async with self._database.transaction() as session:
                await session.execute(Statement.ADD_ADMIN, *_columns(admin))
                if family is not None:
                    await session.execute(
                        Statement.START_REFRESH_FAMILY, *family.columns(admin.admin_id)
                    )
                await session.execute(Statement.RECORD_AUDIT, *entry.columns)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != EMAIL_ONCE:
                raise
            return False
        return True


def _known_by(email: str) -> tuple[str, str]:
    """What an admin is found by: the folded form of their email, and the email."""
    return fold_case(email), normalized(email)


def _columns(admin: NewAdmin) -> tuple[Any, ...]:
    return (
        admin.admin_id,
        admin.email,
        fold_case(admin.email),
        admin.password_hash,
        admin.name,
        admin.phone_number,
        admin.role,
    )
