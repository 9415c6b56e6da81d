"""What a refresh token is: 256 random bits, which say nothing and are looked up.

Rule: the token itself is known to its holder alone; here it exists while it is answered, and
after that as its SHA-256. (Bits that cannot be guessed need no slow hash.)
"""

import hashlib
import re
import secrets

BYTES = 32
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def new_refresh_token() -> str:
    """A token to be given out."""
    return secrets.token_urlsafe(BYTES)


def sha256_of(token: str) -> bytes | None:
    """What a token is looked up by, or None where it cannot be one."""
    return hashlib.sha256(token.encode()).digest() if _SHAPE.fullmatch(token) else None
