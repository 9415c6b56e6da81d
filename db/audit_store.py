"""What admins did, and what was done to them.

Rule: append-only, and never a secret: no password, no token, nothing that was typed into a field
where a password might have been.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from db.database import Database
from db.statements import Statement
from evently.domain.value import value


class Audited(StrEnum):
    """Everything that is noted."""

    ADMIN_ACTIVATED = "admin_activated"
    ADMIN_DEACTIVATED = "admin_deactivated"
    ADMIN_REGISTERED = "admin_registered"
    LOGIN_THROTTLED = "login_throttled"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a deed
    REFRESHES_REVOKED = "refreshes_revoked"
    ROLE_CHANGED = "role_changed"
    VENUE_CREATED = "venue_created"
    VENUE_UPDATED = "venue_updated"
    VENUE_DELETED = "venue_deleted"


@value
class AuditEntry:
    """One deed: `caller` did it to the admin or venue `subject_id`."""

    action: Audited
    caller: str
    request_id: str
    subject_id: str | None
    details: Mapping[str, Any]

    @property
    def columns(self) -> tuple[Any, ...]:
        """The arguments of record_audit.sql, for those who note it in a transaction of theirs."""
        return self.action, self.caller, self.request_id, self.subject_id, dict(self.details)


class AuditStore:
    """Notes deeds that are no part of another transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_audit(self, entry: AuditEntry) -> None:
        """Note `entry`."""
        await self._database.execute(Statement.RECORD_AUDIT, *entry.columns)
