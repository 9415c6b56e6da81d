"""How admins come by their tokens, and give them back.

Rule: what a token or password is worth is decided in `routes.auth`; here is only which body asks
what.
"""

from routes.call import Call
from routes.contract.answers import LoggedIn, Message, Refreshed, Registered
from routes.contract.bodies import Login, RefreshToken, Registration
from routes.contract.errors import Code
from routes.endpoint import Endpoint

TAG = "Admin authentication"


async def register(call: Call) -> Registered:
    """Add an admin and log them in."""
    return await call.services.admin_auth.register(call.body, call.request, call.request_id)


async def login(call: Call) -> LoggedIn:
    """Give tokens for an email and its password."""
    return await call.services.admin_auth.login(call.body, call.request, call.request_id)


async def refresh(call: Call) -> Refreshed:
    """Give the next pair of tokens for a refresh token."""
    return await call.services.admin_auth.refresh(call.body.refresh_token, call.request_id)


async def logout(call: Call) -> Message:
    """End the login that a refresh token belongs to."""
    return await call.services.admin_auth.logout(call.body.refresh_token, call.request_id)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/register",
        handler=register,
        tag=TAG,
        summary="Register an admin",
        answer=Registered,
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
        answer=LoggedIn,
        body=Login,
        errors=(Code.UNAUTHORIZED, Code.RATE_LIMITED),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/refresh",
        handler=refresh,
        tag=TAG,
        summary="Exchange a refresh token for the next pair of tokens",
        answer=Refreshed,
        body=RefreshToken,
        errors=(Code.UNAUTHORIZED,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/auth/admin/logout",
        handler=logout,
        tag=TAG,
        summary="Log out: revoke every refresh token of this login",
        answer=Message,
        body=RefreshToken,
        errors=(Code.UNAUTHORIZED,),
    ),
)
