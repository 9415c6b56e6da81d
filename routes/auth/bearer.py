"""Knows the admin who sends a request, by the bearer token in it.

Rule: a token says who; what that admin may do is read from the database for every request, so
that one who is disabled, deleted or demoted is so at once and not when the token expires.
"""

import re

from aiohttp import web

from db.admin_store import AdminStore
from routes.auth.admin import Admin
from routes.auth.admin_tokens import AdminTokens, BadToken, SignedElsewhere, SignedHere
from routes.auth.roles import PERMISSIONS
from routes.auth.user_service import UserService
from routes.contract.errors import ApiError, unauthorized
from routes.contract.headers import AUTHORIZATION, sent_once

# RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
_BEARER = re.compile(r"bearer +([^\s,]+)", re.ASCII | re.IGNORECASE)
# RFC 6750, section 3: one who sent no token is not told that it was bad.
_INVALID = 'Bearer error="invalid_token"'


class Bearer:
    """Reads bearer tokens, this service's own and those that a user service vouches for."""

    def __init__(
        self, admins: AdminStore, tokens: AdminTokens, user_service: UserService | None = None
    ) -> None:
        self._admins = admins
        self._tokens = tokens
        self._user_service = user_service

    async def authenticate(self, request: web.BaseRequest) -> Admin:
        """The admin who calls. Raises ApiError 400, 401 or 503."""
        token = _token_in(request)
        match await self._tokens.read(token):
            case SignedHere(admin_id):
                return await self._known_here(admin_id)
            case SignedElsewhere():
                return await self._vouched_for(token)
            case BadToken(reason):
                raise unauthorized(reason, _INVALID)

    async def _known_here(self, admin_id: str) -> Admin:
        standing = await self._admins.find_admin(admin_id)
        if standing is None or not standing.is_active:
            raise _not_valid()
        return _admin(admin_id, standing.role)

    async def _vouched_for(self, token: str) -> Admin:
        """One whom the user service knows; if he is known here too, he must not be disabled."""
        if self._user_service is None:
            raise _not_valid()
        found = await self._user_service.verify(token)
        if found is None:
            raise _not_valid()
        standing = await self._admins.find_admin(found.admin_id)
        if standing is not None and not standing.is_active:
            raise _not_valid()
        return _admin(found.admin_id, found.role)


def _token_in(request: web.BaseRequest) -> str:
    header = sent_once(request.headers, AUTHORIZATION)
    if header is None:
        raise unauthorized("An access token is needed: Authorization: Bearer <token>")
    found = _BEARER.fullmatch(header)
    if found is None:
        raise unauthorized("Authorization must be: Bearer <token>", _INVALID)
    return found[1]


def _not_valid() -> ApiError:
    return unauthorized("The access token is not valid", _INVALID)


def _admin(admin_id: str, role: str) -> Admin:
    return Admin(admin_id, role, PERMISSIONS[role])
