"""Admins as PostgreSQL keeps them.

Rule: an email belongs to one admin whatever its case; the database decides that, not a look
beforehand.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from db.audit_store import AuditEntry
from db.database import Database
from db.statements import Statement
from evently.domain.value import value

EMAIL_ONCE = "admins_email_once"


@value
class NewAdmin:
    """An admin to be added; `admin_id` is a UUID in canonical form."""

    admin_id: str
    email: str
    password_hash: str
    name: str
    phone_number: str | None
    role: str


@value
class NewFamily:
    """The first refresh token of a login: its SHA-256, and the seconds that it lasts."""

    token_sha256: bytes
    ttl_s: float


@value
class Credentials:
    """What a login is checked against."""

    admin_id: str
    password_hash: str
    role: str
    is_active: bool


@value
class Standing:
    """What an admin may do at this moment."""

    role: str
    is_active: bool


@value
class Listed:
    """An admin in the list of all."""

    email: str
    name: str
    role: str
    is_active: bool
    created_at: datetime


class AdminStore:
    """Finds, adds and changes admins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_admin_by_email(self, email: str) -> Credentials | None:
        """What a login with `email` is checked against, or None where nobody has it."""
        row = await self._database.fetchrow(Statement.FIND_ADMIN_BY_EMAIL, email)
        if row is None:
            return None
        admin_id = str(row["admin_id"])
        return Credentials(admin_id, row["password_hash"], row["role"], row["is_active"])

    async def find_admin(self, admin_id: str) -> Standing | None:
        """What the admin may do, or None where there is no such admin (any more)."""
        row = await self._database.fetchrow(Statement.FIND_ADMIN, admin_id)
        return None if row is None else Standing(row["role"], row["is_active"])

    async def change_role(self, email: str, role: str, caller: str, request_id: str) -> str | None:
        """Give the admin with `email` this role and note it; the role before, None for nobody."""
        row = await self._database.fetchrow(Statement.CHANGE_ROLE, email, role, caller, request_id)
        return None if row is None else str(row["role"])

    async def change_activity(
        self, email: str, caller: str, request_id: str, *, is_active: bool
    ) -> bool | None:
        """Let the admin with `email` in or shut him out; what was so before, None for nobody."""
        row = await self._database.fetchrow(
            Statement.CHANGE_ACTIVITY, email, is_active, caller, request_id
        )
        return None if row is None else bool(row["is_active"])

    async def change_password(
        self, email: str, password_hash: str, caller: str, request_id: str
    ) -> bool:
        """Give the admin with `email` another password; False for nobody."""
        row = await self._database.fetchrow(
            Statement.CHANGE_PASSWORD, email, password_hash, caller, request_id
        )
        return row is not None

    async def list_admins(self) -> Sequence[Listed]:
        """All admins, by email."""
        return [Listed(**row) for row in await self._database.fetch(Statement.LIST_ADMINS)]

    async def add_admin(
        self, admin: NewAdmin, entry: AuditEntry, family: NewFamily | None = None
    ) -> bool:
        """Add `admin`, logged in if a `family` is given; False where the email is taken."""
        try:
            async with self._database.transaction() as session:
                await session.execute(Statement.ADD_ADMIN, *_columns(admin))
                if family is not None:
                    row = (str(uuid.uuid4()), admin.admin_id, family.token_sha256, family.ttl_s)
                    await session.execute(Statement.START_REFRESH_FAMILY, *row)
                await session.execute(Statement.RECORD_AUDIT, *entry.columns)
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name != EMAIL_ONCE:
                raise
            return False
        return True


def _columns(admin: NewAdmin) -> tuple[Any, ...]:
    return (
        admin.admin_id,
        admin.email,
        admin.password_hash,
        admin.name,
        admin.phone_number,
        admin.role,
    )
