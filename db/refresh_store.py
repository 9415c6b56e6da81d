"""Refresh tokens in PostgreSQL: by their SHA-256, in families, each used once.

Rule: what must not race is one statement. The statement that uses a token up also stores its
successor; a family is revoked in its own row, which every use reads. Revoking commits on its own,
so it holds even though the request that caused it is refused.
"""

import uuid
from typing import Any

from db.database import Database
from db.statements import Statement
from evently.domain.admins import Admin
from evently.domain.value import value


@value
class NewFamily:
    """The first refresh token of a login: its SHA-256, and how many seconds it is valid."""

    token_sha256: bytes
    ttl_s: float

    def columns(self, admin_id: str) -> tuple[Any, ...]:
        """The arguments of start_refresh_family.sql, for a login of this admin."""
        return str(uuid.uuid4()), admin_id, self.token_sha256, self.ttl_s


class RefreshStore:
    """Starts, continues and revokes families of refresh tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start_refresh_family(self, admin_id: str, family: NewFamily) -> None:
        """Store the first token of a login."""
        await self._database.execute(Statement.START_REFRESH_FAMILY, *family.columns(admin_id))

    async def rotate_refresh_token(
        self, used_sha256: bytes, next_sha256: bytes, ttl_s: float
    ) -> Admin | None:
        """Replace a token by the next one; its admin, or None if the token is not valid."""
        row = await self._database.fetchrow(
            Statement.ROTATE_REFRESH_TOKEN, used_sha256, next_sha256, ttl_s
        )
        return None if row is None else Admin(str(row["admin_id"]), row["role"])

    async def revoke_reused_family(
        self, token_sha256: bytes, waited_s: float, request_id: str
    ) -> bool:
        """Revoke the family of a token that was used more than `waited_s` ago; True if it was.

        A request that lost against a concurrent one revokes nothing. `waited_s` leaves out the
        wait for a connection, so a case that is not clear counts as reuse.
        """
        row = await self._database.fetchrow(
            Statement.REVOKE_REUSED_FAMILY, token_sha256, waited_s, request_id
        )
        return row is not None

    async def revoke_family(self, token_sha256: bytes, request_id: str) -> bool:
        """Revoke the family of a token, used or not; False if the token is unknown."""
        return (
            await self._database.fetchrow(Statement.REVOKE_FAMILY, token_sha256, request_id)
            is not None
        )
