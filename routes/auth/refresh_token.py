"""Refresh tokens: 256 random bits that carry no meaning and are looked up.

Rule: only its holder knows the token. The service has it while it answers, and after that its
SHA-256. (Bits that cannot be guessed need no slow hash.)
"""

import hashlib
import re
import secrets

from db.refresh_store import NewFamily
from evently.domain.value import value

BYTES = 32
# An admin who has not been seen for a week logs in again.
TTL_S = 7 * 86_400.0

_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@value
class RefreshToken:
    """A new token: the text to give out, and the digest to store."""

    text: str
    sha256: bytes

    def family(self, ttl_s: float) -> NewFamily:
        """A new family that starts with this token."""
        return NewFamily(self.sha256, ttl_s)


def new_refresh_token() -> RefreshToken:
    """A token that nobody has seen."""
    text = secrets.token_urlsafe(BYTES)
    return RefreshToken(text, hashlib.sha256(text.encode()).digest())


def sha256_of(token: str) -> bytes | None:
    """The digest by which a token is looked up, or None if it does not look like one."""
    return hashlib.sha256(token.encode()).digest() if _SHAPE.fullmatch(token) else None
