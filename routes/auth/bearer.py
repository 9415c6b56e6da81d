"""Authenticates the admin who sends a request, by its bearer token.

Rule: a token says who calls. What that admin may do is read from the database for every request,
so that deactivating, deleting or demoting an admin takes effect at once, and not when the token
expires.
"""

import re

from multidict import MultiMapping

from db.admin_store import AdminStore
from evently.domain.admins import Admin
from routes.auth.admin_tokens import AdminTokens, BadToken, SignedElsewhere, SignedHere
from routes.auth.user_service import UserService, UserServiceUnavailable
from routes.contract.errors import ApiError, Code, unauthorized
from routes.contract.headers import AUTHORIZATION, sent_once

# RFC 6750, section 2.1; the scheme's case does not matter (RFC 9110, section 11.1).
_BEARER = re.compile(r"bearer +([^\s,]+)", re.ASCII | re.IGNORECASE)
# RFC 6750, section 3: a client that sent no token is not told that its token is invalid.
_INVALID = 'Bearer error="invalid_token"'


class Bearer:
    """Reads bearer tokens: this service's own, and those that the user service vouches for."""

    def __init__(
        self, admins: AdminStore, tokens: AdminTokens, user_service: UserService | None = None
    ) -> None:
        self._admins = admins
        self._tokens = tokens
        self._user_service = user_service

    async def authenticate(self, headers: MultiMapping[str]) -> Admin:
        """The admin who calls. Raises ApiError 400, 401 or 503."""
        token = _token_in(headers)
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
        return Admin(admin_id, standing.role)

    async def _vouched_for(self, token: str) -> Admin:
        """An admin of the user service; if they are known here too, they must be active."""
        if self._user_service is None:
            raise _not_valid()
        try:
            admin = await self._user_service.verify(token)
        except UserServiceUnavailable as error:
            raise _cannot_tell(error.retry_after_s) from error
        if admin is None:
            raise _not_valid()
        standing = await self._admins.find_admin(admin.admin_id)
        if standing is not None and not standing.is_active:
            raise _not_valid()
        return admin


def _token_in(headers: MultiMapping[str]) -> str:
    header = sent_once(headers, AUTHORIZATION)
    if header is None:
        raise unauthorized("An access token is needed: Authorization: Bearer <token>")
    found = _BEARER.fullmatch(header)
    if found is None:
        raise unauthorized("Authorization must be: Bearer <token>", _INVALID)
    return found[1]


def _not_valid() -> ApiError:
    return unauthorized("The access token is not valid", _INVALID)


def _cannot_tell(retry_after_s: int) -> ApiError:
    message = "The user service does not answer, so the access token cannot be checked; try again"
    return ApiError(Code.OVERLOADED, message, headers={"Retry-After": str(retry_after_s)})
