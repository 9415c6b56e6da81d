"""Signs and verifies admins' access tokens; nothing else touches aiohttp-jwt or PyJWT.

Rule: aiohttp-jwt only sees tokens whose shape and header have been checked, and its verdict only
counts once the claims have been checked as well.

Shape and header come first because it raises foreign errors for bytes that are not a token, and
trusts whatever the header says; ours says HS256 and JWT and nothing else. Claims come after because
PyJWT requires no claim unless it is told to, and aiohttp-jwt has no way to tell it: a token without
`exp` never expires, and a list of audiences that includes ours passes. It is given a stand-in that
holds the token, not the request, because it lets every OPTIONS request pass unread and stores
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

from evently.domain.admins import PERMISSIONS, Role, role_of
from evently.domain.value import value
from routes.contract.fields import canonical_uuid

ALGORITHM = "HS256"
ISSUER = "evently-event-service"
AUDIENCE = "evently-admin"
# RFC 7518, section 3.2: a key as long as the hash.
SECRET_BYTES_MIN = 32
# Fifteen minutes, which is how long a stolen token works.
TTL_S = 900.0
# `iat` is set back by this much: another node's clock may be behind ours, and aiohttp-jwt gives
# PyJWT no leeway, so that node would refuse the token as issued in the future.
CLOCK_SKEW_S = 5
# Ours have 600 characters; another service's may hold more, but have to fit in a header.
TOKEN_MAX = 4096
JTI_BYTES = 16

_SHAPE = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}", re.ASCII)
_HEADERS: Sequence[dict[str, str]] = ({"alg": ALGORITHM, "typ": "JWT"}, {"alg": ALGORITHM})
# The key under which aiohttp-jwt stores the claims.
_CLAIMS = "claims"

# It logs a traceback for every bad token, and anybody can send one. A filter, because configuring
# logging later resets levels but not filters.
logging.getLogger("aiohttp_jwt.middleware").addFilter(lambda _: False)


@value
class SignedHere:
    """A valid token of this service; what the admin may do now is read from the database."""

    admin_id: str


@value
class SignedElsewhere:
    """A well-formed token that has not expired and was not signed with this service's secret."""


@value
class BadToken:
    """A token that nobody should accept; `reason` is fit for the client."""

    reason: str


Verdict: TypeAlias = SignedHere | SignedElsewhere | BadToken

_MALFORMED = BadToken("The access token is malformed")
_FORGED = BadToken("The access token is not valid")
_EXPIRED = BadToken("The access token has expired; refresh it")


class AdminTokens:
    """Signs tokens with one secret, and verifies them."""

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

    def sign(self, admin_id: str, role: Role) -> str:
        """An access token for the admin, valid for `ttl_s`."""
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
        """Whose `token` it is, and whether it is valid. Never raises for client input."""
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
        """A token to ask another service about, unless its own claims rule that out."""
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
        """Check that every claim is present, of the right type, and within its time."""
        admin_id = _text(claims, "sub")
        if admin_id is None or canonical_uuid(admin_id) != admin_id:
            return _FORGED
        if _text(claims, "iss") != self._issuer or _text(claims, "aud") != self._audience:
            return _FORGED
        if role_of(claims.get("role")) is None or not _text(claims, "jti"):
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
    """The part of a request that aiohttp-jwt looks at."""

    method = "GET"

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


def _token_of(bearing: _TokenBearing) -> str:
    return bearing.token


async def _end(_: _TokenBearing) -> None:
    """Stands in for the handler that aiohttp-jwt calls; only the claims it stored are needed."""


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
