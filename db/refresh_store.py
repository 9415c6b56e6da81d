"""Refresh tokens in PostgreSQL: by their SHA-256, in families, each used once.

Rule: what must not race is one statement. The statement that uses a token up also stores its
successor; a family is revoked in its own row, which every use reads. Revoking commits on its own,
so it holds even though the request that caused it is refused.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from db.database import Database
from db.statements import Statement
from evently.domain.admins import Admin, Throttled
from evently.domain.value import value

# A thousand devices, or a script that logs in anew every ten minutes for a week.
LOGINS_MAX = 1000


@dataclass(frozen=True, slots=True)
class FamilyLimits:
    """How often a login may be continued within a window, and how many used tokens it keeps.

    The defaults allow a page to be reloaded every ten seconds. A token that was stolen and used is
    forgotten after nearly three hours of the fastest rotation, long after its owner, who comes
    every quarter of an hour, has sent it again and so ended the login.
    """

    refreshes_max: int = 60
    window_s: float = 600.0
    used_kept: int = 1000


FAMILY_LIMITS = FamilyLimits()


@value
class NewFamily:
    """The first refresh token of a login: its SHA-256, and how many seconds it is valid.

    If its admin then has more logins than `logins_max`, the oldest end.
    """

    token_sha256: bytes
    ttl_s: float
    logins_max: int = LOGINS_MAX

    def columns(self, admin_id: str) -> tuple[Any, ...]:
        """The arguments of start_refresh_family.sql, for a login of this admin."""
        return str(uuid.uuid4()), admin_id, self.token_sha256, self.ttl_s, self.logins_max


class RefreshStore:
    """Starts, continues and revokes families of refresh tokens."""

    def __init__(self, database: Database, limits: FamilyLimits = FAMILY_LIMITS) -> None:
        self._database = database
        self._limits = limits

    async def start_refresh_family(self, admin_id: str, family: NewFamily) -> None:
        """Store the first token of a login."""
        await self._database.execute(Statement.START_REFRESH_FAMILY, *family.columns(admin_id))

    async def rotate_refresh_token(
        self, used_sha256: bytes, next_sha256: bytes, ttl_s: float
    ) -> Admin | Throttled | None:
        """Replace a token by the next one; its admin, or None if the token is not valid.

        A throttled token is not used up.
        """
        limits = self._limits
        row = await self._database.fetchrow(
            Statement.ROTATE_REFRESH_TOKEN,
            used_sha256,
            next_sha256,
            ttl_s,
            limits.refreshes_max,
            limits.window_s,
            limits.used_kept,
        )
        if row is None:
            return None
        if row["retry_after_s"] is not None:
            return Throttled(row["retry_after_s"])
        return Admin(str(row["admin_id"]), row["role"])

    async def revoke_reused_family(
        self, token_sha256: bytes, used_before_s: float, request_id: str
    ) -> bool:
        """Revoke the family of a token that was used longer ago than that; True if it was."""
        row = await self._database.fetchrow(
            Statement.REVOKE_REUSED_FAMILY, token_sha256, used_before_s, request_id
        )
        return row is not None

    async def revoke_family(self, token_sha256: bytes, request_id: str) -> bool:
        """Revoke the family of a token, used or not; False if the token is unknown."""
        return (
            await self._database.fetchrow(Statement.REVOKE_FAMILY, token_sha256, request_id)
            is not None
        )
