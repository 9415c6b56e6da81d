"""The audit in PostgreSQL: what admins did, and what was done to their accounts.

Rule: append-only, and never a secret: no password, no token, and no text from a field into which
a password may have been typed by mistake.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from db.database import Database
from db.statements import Statement
from evently.domain.value import value


class Audited(StrEnum):
    """Every action that is recorded."""

    ADMIN_ACTIVATED = "admin_activated"
    ADMIN_DEACTIVATED = "admin_deactivated"
    ADMIN_REGISTERED = "admin_registered"
    LOGIN_THROTTLED = "login_throttled"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - an action
    PROFILE_CHANGED = "profile_changed"
    REFRESHES_REVOKED = "refreshes_revoked"
    ROLE_CHANGED = "role_changed"
    VENUE_CREATED = "venue_created"
    VENUE_UPDATED = "venue_updated"
    VENUE_DELETED = "venue_deleted"


@value
class AuditEntry:
    """One action: `caller` did it to the admin or venue `subject_id`."""

    action: Audited
    caller: str
    request_id: str
    subject_id: str | None
    details: Mapping[str, Any]

    @property
    def columns(self) -> tuple[Any, ...]:
        """The arguments of record_audit.sql, to run it within another transaction."""
        return self.action, self.caller, self.request_id, self.subject_id, dict(self.details)


class AuditStore:
    """Records actions that are not part of another transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_audit(self, entry: AuditEntry) -> None:
        """Record `entry`."""
        await self._database.execute(Statement.RECORD_AUDIT, *entry.columns)
