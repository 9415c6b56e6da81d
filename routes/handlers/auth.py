"""How admins get their tokens, and give them up.

Rule: `routes.auth` decides, on plain values; here a request is turned into those values, and the
outcome into an answer. An `Authorization` header is read only where registering takes an admin's
permission.
"""

from typing import assert_never

from evently.domain.admins import (
    Admin,
    EmailTaken,
    InvalidRefreshToken,
    LoggedIn,
    LoggedOut,
    Profile,
    Refreshed,
    Refusal,
    Registered,
    RegistrationClosed,
    RoleNotAllowed,
    Throttled,
    WrongPassword,
)
from routes.call import Call
from routes.contract import account_answers
from routes.contract.account_bodies import Login, RefreshToken, Registration
from routes.contract.answers import Message
from routes.contract.errors import ApiError, Code, forbidden, rate_limited, unauthorized
from routes.contract.headers import AUTHORIZATION
from routes.endpoint import Endpoint

TAG = "Admin authentication"


async def register(call: Call) -> account_answers.Registered:
    """Add an admin and log them in."""
    body: Registration = call.body
    outcome = await call.services.admin_auth.registration.register(
        Profile(body.email, body.name, body.phone_number, body.role),
        body.password,
        registrar=await _registrar(call),
        address=_address(call),
        request_id=call.request_id,
    )
    if not isinstance(outcome, Registered):
        raise _refused(outcome)
    return account_answers.Registered(
        admin_id=outcome.admin_id,
        email=body.email,
        name=body.name,
        access_token=outcome.tokens.access,
        refresh_token=outcome.tokens.refresh,
    )


async def login(call: Call) -> account_answers.LoggedIn:
    """Exchange an email and its password for tokens."""
    body: Login = call.body
    outcome = await call.services.admin_auth.sessions.login(
        body.email, body.password, address=_address(call), request_id=call.request_id
    )
    if not isinstance(outcome, LoggedIn):
        raise _refused(outcome)
    return account_answers.LoggedIn(
        admin_id=outcome.admin.admin_id,
        access_token=outcome.tokens.access,
        refresh_token=outcome.tokens.refresh,
        role=outcome.admin.role,
        permissions=list(outcome.admin.permissions),
    )


async def refresh(call: Call) -> account_answers.Refreshed:
    """Exchange a refresh token for the next pair of tokens."""
    body: RefreshToken = call.body
    sessions = call.services.admin_auth.sessions
    outcome = await sessions.refresh(body.refresh_token, call.request_id)
    if not isinstance(outcome, Refreshed):
        raise _refused(outcome)
    return account_answers.Refreshed(outcome.tokens.access, outcome.tokens.refresh)


async def logout(call: Call) -> Message:
    """End the login that a refresh token belongs to."""
    body: RefreshToken = call.body
    sessions = call.services.admin_auth.sessions
    outcome = await sessions.logout(body.refresh_token, call.request_id)
    if not isinstance(outcome, LoggedOut):
        raise _refused(outcome)
    return Message("Logged out")


async def _registrar(call: Call) -> Admin | None:
    """The admin on whose word another is registered, if that takes one and one has signed in."""
    auth = call.services.admin_auth
    if not auth.registration.needs_registrar(call.body.role) or AUTHORIZATION not in call.sent:
        return None
    return await auth.bearer.authenticate(call.sent)


def _address(call: Call) -> str:
    return call.services.admin_auth.addresses.of(call.request)


def _refused(refusal: Refusal) -> ApiError:
    match refusal:
        case RoleNotAllowed(role):
            return forbidden(f"Only a {role} may register a {role}")
        case RegistrationClosed():
            message = "Registration is closed; an admin or super_admin may register others"
            return forbidden(message)
        case EmailTaken():
            message = "An admin with this email already exists"
            return ApiError(Code.EMAIL_ALREADY_EXISTS, message)
        case Throttled(retry_after_s):
            return rate_limited("Too many attempts; wait and try again", retry_after_s)
        case WrongPassword():
            return unauthorized("Email or password is wrong")
        case InvalidRefreshToken():
            return unauthorized("The refresh token is not valid; log in again")
        case _:
            assert_never(refusal)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/register",
        handler=register,
        tag=TAG,
        summary="Register an admin",
        description=(
            "Creates an admin and logs them in. The role `super_admin` takes the bearer token "
            "of a `super_admin`. Attempts are limited for each address."
        ),
        answer=account_answers.Registered,
        status=201,
        body=Registration,
        errors=(Code.UNAUTHORIZED, Code.EMAIL_ALREADY_EXISTS, Code.RATE_LIMITED),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/login",
        handler=login,
        tag=TAG,
        summary="Log an admin in",
        description=(
            "Answers an access token, for the header `Authorization: Bearer`, and a refresh "
            "token. Attempts are limited for each account and each address."
        ),
        answer=account_answers.LoggedIn,
        body=Login,
        errors=(Code.UNAUTHORIZED, Code.RATE_LIMITED),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/refresh",
        handler=refresh,
        tag=TAG,
        summary="Exchange a refresh token for the next pair of tokens",
        description=(
            "A refresh token works once. One that is used again later than 10 seconds after "
            "its use ends the login, because somebody else may have it. Within these 10 seconds it "
            "is merely refused. How often a login is continued is limited; a token that is refused "
            "for that (429) stays valid."
        ),
        answer=account_answers.Refreshed,
        body=RefreshToken,
        errors=(Code.UNAUTHORIZED, Code.RATE_LIMITED),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/logout",
        handler=logout,
        tag=TAG,
        summary="Log out: revoke every refresh token of this login",
        description=(
            "Ends the login that the refresh token belongs to. Access tokens that were given "
            "out stay valid until they expire."
        ),
        answer=Message,
        body=RefreshToken,
        errors=(Code.UNAUTHORIZED,),
    ),
)
