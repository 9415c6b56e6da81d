"""Signs and reads admins' access tokens; everything that touches aiohttp-jwt or PyJWT is here.

Rule: aiohttp-jwt is handed only a token whose shape and header were checked before, and is
believed only where the claims are checked after.

Before, because it raises other errors than its own on bytes that are no token, and would follow a
header wherever that points: ours says HS256 and JWT, and nothing else. After, because PyJWT asks
for no claim that it is not told to ask for, and aiohttp-jwt cannot tell it: a token without `exp`
never expires, a list of audiences that has ours in it passes. It gets no request of ours but one
that holds nothing except the token: it lets every OPTIONS request pass unread, and it stores
claims under names that aiohttp warns about.
"""

import base64
import binascii
import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeGuard

import jwt
from aiohttp import web
from aiohttp_jwt import JWTMiddleware

from evently.domain.value import value
from routes.auth.roles import PERMISSIONS
from routes.contract.fields import canonical_uuid

ALGORITHM = "HS256"
ISSUER = "evently-event-service"
AUDIENCE = "evently-admin"
# RFC 7518, section 3.2: a key as long as the hash.
SECRET_BYTES_MIN = 32
# Fifteen minutes: so long does a stolen token work.
TTL_S = 900.0
# `iat` is written this much early: another node's clock may be behind ours, and aiohttp-jwt gives
# PyJWT no leeway, so that a token would be refused there for coming from the future.
CLOCK_SKEW_S = 5
# Ours take 600; what another service signs may carry more, but has to fit in a header.
TOKEN_MAX = 4096
JTI_BYTES = 16

_SHAPE = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}", re.ASCII)
_HEADERS: Sequence[dict[str, str]] = ({"alg": ALGORITHM, "typ": "JWT"}, {"alg": ALGORITHM})
# Where aiohttp-jwt leaves the claims.
_CLAIMS = "claims"

# It writes a traceback for every bad token, which anybody may send. A filter, because a logging
# configuration made later resets levels but not filters.
logging.getLogger("aiohttp_jwt.middleware").addFilter(lambda _: False)


@value
class SignedHere:
    """A good token of this service's; what the admin may do now is the database's to say."""

    admin_id: str


@value
class SignedElsewhere:
    """A token that is one, has not expired, and was not signed with this service's secret."""


@value
class BadToken:
    """No token that anybody should accept; `reason` may be told to the client."""

    reason: str


Verdict: TypeAlias = SignedHere | SignedElsewhere | BadToken

_MALFORMED = BadToken("The access token is malformed")
_FORGED = BadToken("The access token is not valid")
_EXPIRED = BadToken("The access token has expired; refresh it")


class AdminTokens:
    """Signs with one secret, and reads what it signed."""

    def __init__(
        self,
        secret: str,
        *,
        ttl_s: float = TTL_S,
        issuer: str = ISSUER,
        audience: str = AUDIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if len(secret.encode()) < SECRET_BYTES_MIN:
            raise ValueError(f"the JWT secret must have {SECRET_BYTES_MIN} bytes or more")
        self._secret = secret
        self._ttl_s = ttl_s
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._middleware = JWTMiddleware(
            secret,
            request_property=_CLAIMS,
            token_getter=_token_of,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=issuer,
        )

    def sign(self, admin_id: str, role: str) -> str:
        """An access token for the admin, good for the time to live."""
        now = int(self._clock())
        claims = {
            "sub": admin_id,
            "role": role,
            "permissions": list(PERMISSIONS[role]),
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now - CLOCK_SKEW_S,
            "exp": now + int(self._ttl_s),
            "jti": secrets.token_urlsafe(JTI_BYTES),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    async def read(self, token: str) -> Verdict:
        """What `token` is worth. Never raises for what a client can send."""
        if len(token) > TOKEN_MAX or not _SHAPE.fullmatch(token):
            return _MALFORMED
        header = _json_of(token.split(".", maxsplit=1)[0])
        if header is None:
            return _MALFORMED
        if header not in _HEADERS:
            return self._elsewhere(header, token)
        claims = await self._decoded(token)
        if isinstance(claims, dict):
            return self._checked(claims)
        return self._refused(claims, header, token)

    async def _decoded(self, token: str) -> dict[str, Any] | BaseException | None:
        """The claims, or why PyJWT refused them."""
        bearing = _TokenBearing(token)
        try:
            await self._middleware(bearing, _end)
        except web.HTTPUnauthorized as refusal:
            return refusal.__context__
        claims: dict[str, Any] = bearing[_CLAIMS]
        return claims

    def _refused(self, why: BaseException | None, header: dict[str, Any], token: str) -> Verdict:
        match why:
            case jwt.InvalidSignatureError():
                return self._elsewhere(header, token)
            case jwt.ExpiredSignatureError():
                return _EXPIRED
            case _:
                return _FORGED

    def _elsewhere(self, header: dict[str, Any], token: str) -> Verdict:
        """A token to ask another service about, unless its own words rule that out."""
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm.lower() == "none":
            return _FORGED
        claims = _json_of(token.split(".")[1])
        if claims is None or claims.get("iss") == self._issuer:
            return _FORGED
        expires_at = claims.get("exp")
        if _is_number(expires_at) and expires_at <= self._clock():
            return _EXPIRED
        return SignedElsewhere()

    def _checked(self, claims: dict[str, Any]) -> Verdict:
        """Every claim is there, of its type, and within its time."""
        admin_id = _text(claims, "sub")
        if admin_id is None or canonical_uuid(admin_id) != admin_id:
            return _FORGED
        if _text(claims, "iss") != self._issuer or _text(claims, "aud") != self._audience:
            return _FORGED
        if _text(claims, "role") not in PERMISSIONS or not _text(claims, "jti"):
            return _FORGED
        if not _is_list_of_text(claims.get("permissions")):
            return _FORGED
        return self._in_time(admin_id, claims)

    def _in_time(self, admin_id: str, claims: dict[str, Any]) -> Verdict:
        issued_at, expires_at = claims.get("iat"), claims.get("exp")
        not_before = claims.get("nbf", 0)
        now = self._clock()
        if not (_is_integer(issued_at) and _is_integer(expires_at) and _is_integer(not_before)):
            return _FORGED
        if max(issued_at, not_before) > now:
            return _FORGED
        return _EXPIRED if expires_at <= now else SignedHere(admin_id)


class _TokenBearing(dict[str, Any]):
    """As much of a request as aiohttp-jwt looks at."""

    method = "GET"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


def _token_of(bearing: _TokenBearing) -> str:
    return bearing.token


async def _end(_: _TokenBearing) -> None:
    """What aiohttp-jwt calls once it is content; only the claims it left behind are wanted."""


def _json_of(segment: str) -> dict[str, Any] | None:
    """The JSON object in a segment of a token, or None."""
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars="-_", validate=True)
        found = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(claims: dict[str, Any], name: str) -> str | None:
    found = claims.get(name)
    return found if isinstance(found, str) else None


def _is_integer(found: object) -> TypeGuard[int]:
    return isinstance(found, int) and not isinstance(found, bool)


def _is_number(found: object) -> TypeGuard[int | float]:
    return isinstance(found, int | float) and not isinstance(found, bool)


def _is_list_of_text(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(item, str) for item in found)
