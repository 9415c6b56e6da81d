"""Admins' accounts in PostgreSQL: what they and super_admins see and change of them over HTTP.

Rule: what an account is not to lose (the last active super_admin, a password that was changed
meanwhile) is checked by the statement that would take it away.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from db.database import Database
from db.statements import Statement
from evently.domain.admins import LastSuperAdmin, NoAccount, Role
from evently.domain.origin import Origin
from evently.domain.value import value


@value
class Account:
    """An admin as they are known here; `sessions` is how many logins go on."""

    admin_id: str
    email: str
    name: str
    phone_number: str | None
    role: Role
    is_active: bool
    created_at: datetime
    sessions: int


@value
class ProfileChange:
    """A new name, or None to keep it; a new phone number if `sets_phone`, and None removes it."""

    name: str | None
    sets_phone: bool
    phone_number: str | None


@value
class AuditLine:
    """One entry of the audit; names are those of now, None where nobody has that id any more."""

    action: str
    caller: str
    caller_name: str | None
    subject_id: str | None
    subject_name: str | None
    details: Mapping[str, Any]
    request_id: str
    recorded_at: datetime


class AccountStore:
    """Reads and changes accounts, and reads the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, admin_id: str) -> Account | None:
        """The admin's account, or None if there is none here."""
        row = await self._database.fetchrow(Statement.FIND_ACCOUNT, admin_id)
        return None if row is None else _account(row)

    async def page(self, limit: int, offset: int) -> tuple[Sequence[Account], int]:
        """A page of all accounts by email, and how many there are."""
        rows = await self._database.fetch(Statement.LIST_ACCOUNTS, limit, offset)
        counted = await self._database.fetchrow(Statement.COUNT_ACCOUNTS)
        assert counted is not None, "a count always has a row"
        return [_account(row) for row in rows], counted["total"]

    async def change_profile(self, admin_id: str, change: ProfileChange, origin: Origin) -> bool:
        """Change what the admin says of themselves; False if they have no account here."""
        row = await self._database.fetchrow(
            Statement.CHANGE_PROFILE,
            admin_id,
            change.name,
            change.sets_phone,
            change.phone_number,
            origin.caller,
            origin.request_id,
        )
        return row is not None

    async def change(
        self, admin_id: str, role: Role | None, is_active: bool | None, origin: Origin
    ) -> NoAccount | LastSuperAdmin | None:
        """Set role and state, each unless None; why not, if it was refused."""
        row = await self._database.fetchrow(
            Statement.CHANGE_ACCOUNT, admin_id, role, is_active, origin.caller, origin.request_id
        )
        if row is None:
            return NoAccount()
        return LastSuperAdmin() if row["last_one"] else None

    async def end_logins(self, admin_id: str, origin: Origin) -> int:
        """End every login of the admin; how many went on."""
        row = await self._database.fetchrow(
            Statement.END_LOGINS, admin_id, origin.caller, origin.request_id
        )
        assert row is not None, "a count always has a row"
        ended: int = row["ended"]
        return ended

    async def audit(self, admin_id: str | None, limit: int, offset: int) -> Sequence[AuditLine]:
        """A page of the audit, newest first: all, or what concerns this admin."""
        rows = await self._database.fetch(Statement.PAGE_AUDIT, admin_id, limit, offset)
        return [
            AuditLine(**{**row, "subject_id": row["subject_id"] and str(row["subject_id"])})
            for row in rows
        ]

    async def names(self, admin_ids: Collection[str]) -> Mapping[str, str]:
        """The names of those of these admins who have an account here, by id."""
        known = [uuid.UUID(admin_id) for admin_id in admin_ids]
        if not known:
            return {}
        rows = await self._database.fetch(Statement.FIND_ADMIN_NAMES, known)
        return {str(row["admin_id"]): row["name"] for row in rows}


def _account(row: asyncpg.Record) -> Account:
    return Account(**{**row, "admin_id": str(row["admin_id"])})
