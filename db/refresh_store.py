"""Refresh tokens as PostgreSQL keeps them: by SHA-256, in families, each used once.

Rule: whatever must not race is one statement. A token is used up by the statement that stores
its successor; a family is revoked by its own row, which every use reads. Revoking commits by
itself, so it stands even though the request that caused it is refused.
"""

import uuid

from db.admin_store import NewFamily
from db.database import Database
from db.statements import Statement
from evently.domain.value import value


@value
class TokenOwner:
    """The admin whose refresh token was used up."""

    admin_id: str
    role: str


class RefreshStore:
    """Starts, continues and ends families of refresh tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def start_refresh_family(self, admin_id: str, family: NewFamily) -> None:
        """Store the first token of a login."""
        row = (str(uuid.uuid4()), admin_id, family.token_sha256, family.ttl_s)
        await self._database.execute(Statement.START_REFRESH_FAMILY, *row)

    async def rotate_refresh_token(
        self, used_sha256: bytes, next_sha256: bytes, ttl_s: float
    ) -> TokenOwner | None:
        """Put the next token in place of the used one; None where that one is not good."""
        row = await self._database.fetchrow(
            Statement.ROTATE_REFRESH_TOKEN, used_sha256, next_sha256, ttl_s
        )
        return None if row is None else TokenOwner(str(row["admin_id"]), row["role"])

    async def revoke_reused_family(
        self, token_sha256: bytes, waited_s: float, request_id: str
    ) -> bool:
        """Revoke the family of a token that was used over `waited_s` ago; True if it was.

        A request that merely lost against one that ran at the same time revokes nothing; the wait
        for a connection is not in `waited_s`, so in doubt it does.
        """
        row = await self._database.fetchrow(
            Statement.REVOKE_REUSED_FAMILY, token_sha256, waited_s, request_id
        )
        return row is not None

    async def revoke_family(self, token_sha256: bytes, request_id: str) -> bool:
        """End the family of a token, used or not; False where the token is unknown."""
        return (
            await self._database.fetchrow(Statement.REVOKE_FAMILY, token_sha256, request_id)
            is not None
        )
