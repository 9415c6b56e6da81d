"""Admins' accounts: one's own, and for those who may, everybody's; and the audit.

Rule: a password is changed by its admin alone, who proves to know the old one; whatever is changed
here is in the audit, never with a secret.
"""

import msgspec

from db.account_store import Account, ProfileChange
from evently.domain.admins import (
    PERMISSIONS,
    LastSuperAdmin,
    NoAccount,
    Refreshed,
    Throttled,
    WrongPassword,
)
from routes.call import Call
from routes.contract import account_answers
from routes.contract.account_bodies import AdminChanges, PasswordChange, ProfileChanges
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code, forbidden, invalid, rate_limited
from routes.contract.fields import Body
from routes.endpoint import Access, Endpoint

TAG = "Admin accounts"


async def get_own_account(call: Call) -> account_answers.Account:
    """Answer the calling admin's account."""
    return await _account(call, call.admin.admin_id)


async def update_own_account(call: Call) -> account_answers.Account:
    """Set the fields in the body."""
    body: ProfileChanges = call.body
    _changes_something(body)
    change = ProfileChange(body.name, "phone_number" in body.model_fields_set, body.phone_number)
    admin_id = call.admin.admin_id
    if not await call.services.accounts.change_profile(admin_id, change, call.origin):
        raise _not_found(admin_id)
    return await _account(call, admin_id)


async def change_own_password(call: Call) -> account_answers.Refreshed:
    """Replace the password; of all logins, only the one that is answered goes on."""
    body: PasswordChange = call.body
    outcome = await call.services.admin_auth.sessions.change_password(
        call.admin,
        body.old_password,
        body.new_password,
        address=call.services.admin_auth.addresses.of(call.request),
        request_id=call.request_id,
    )
    match outcome:
        case Refreshed(tokens):
            return account_answers.Refreshed(tokens.access, tokens.refresh)
        case WrongPassword():
            raise invalid(("body.old_password", "old_password is not your password"))
        case Throttled(retry_after_s):
            raise rate_limited("Too many attempts; wait and try again", retry_after_s)
        case NoAccount():
            raise _not_found(call.admin.admin_id)


async def end_own_sessions(call: Call) -> account_answers.SessionsEnded:
    """End all logins of the calling admin."""
    ended = await call.services.accounts.end_logins(call.admin.admin_id, call.origin)
    return account_answers.SessionsEnded("Logged out everywhere", ended)


async def list_admins(call: Call) -> account_answers.AdminList:
    """Answer a page of all admins."""
    _manages(call)
    query: Paging = call.query
    page, total = await call.services.accounts.page(query.limit, query.offset)
    return account_answers.AdminList([_answer(one) for one in page], total, query.page, query.limit)


async def update_admin(call: Call) -> account_answers.Account:
    """Set an admin's role and whether they may act."""
    _manages(call)
    body: AdminChanges = call.body
    _changes_something(body)
    admin_id = call.params["admin_id"]
    refusal = await call.services.accounts.change(admin_id, body.role, body.is_active, call.origin)
    match refusal:
        case None:
            return await _account(call, admin_id)
        case NoAccount():
            raise _not_found(admin_id)
        case LastSuperAdmin():
            message = "This is the last active super_admin; make another one first"
            raise ApiError(Code.LAST_SUPER_ADMIN, message, {"admin_id": admin_id})


async def read_audit(call: Call) -> account_answers.Audit:
    """Answer a page of the audit: all of it, or what concerns the calling admin."""
    query: Paging = call.query
    of_admin = None if call.admin.reads_audit else call.admin.admin_id
    found = await call.services.accounts.audit(of_admin, query.limit + 1, query.offset)
    entries = [
        msgspec.convert(one, account_answers.AuditEntry, from_attributes=True)
        for one in found[: query.limit]
    ]
    return account_answers.Audit(entries, query.page, query.limit, len(found) > query.limit)


def _manages(call: Call) -> None:
    if not call.admin.manages_admins:
        raise forbidden("Only a super_admin may see and change other admins")


def _changes_something(body: Body) -> None:
    if not body.model_fields_set:
        fields = ", ".join(type(body).model_fields)
        raise invalid(("body", f"body must change at least one of {fields}"))


async def _account(call: Call, admin_id: str) -> account_answers.Account:
    found = await call.services.accounts.find(admin_id)
    if found is None:
        raise _not_found(admin_id)
    return _answer(found)


def _answer(account: Account) -> account_answers.Account:
    return account_answers.Account(
        admin_id=account.admin_id,
        email=account.email,
        name=account.name,
        phone_number=account.phone_number,
        role=account.role,
        permissions=list(PERMISSIONS[account.role]),
        is_active=account.is_active,
        created_at=account.created_at,
        sessions=account.sessions,
    )


def _not_found(admin_id: str) -> ApiError:
    return ApiError(Code.ADMIN_NOT_FOUND, "Admin not found", {"admin_id": admin_id})


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/api/v1/admin/me",
        handler=get_own_account,
        tag=TAG,
        summary="Your account",
        description="404 for an admin whose account the user service keeps.",
        answer=account_answers.Account,
        access=Access.ADMIN,
        errors=(Code.ADMIN_NOT_FOUND,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/me",
        handler=update_own_account,
        tag=TAG,
        summary="Change your name or phone number",
        description=(
            "Fields that are left out stay as they are; `null` removes the phone number. The audit "
            "says which fields changed, but not to what."
        ),
        answer=account_answers.Account,
        access=Access.ADMIN,
        body=ProfileChanges,
        errors=(Code.ADMIN_NOT_FOUND,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/admin/me/password",
        handler=change_own_password,
        tag=TAG,
        summary="Change your password",
        description=(
            "Ends all of your logins and answers the tokens of a new one. A wrong `old_password` "
            "counts as a failed login."
        ),
        answer=account_answers.Refreshed,
        access=Access.ADMIN,
        body=PasswordChange,
        errors=(Code.ADMIN_NOT_FOUND, Code.RATE_LIMITED),
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/admin/me/sessions",
        handler=end_own_sessions,
        tag=TAG,
        summary="Log out everywhere",
        description=(
            "Ends all of your logins, this one too. An access token works until it expires, within "
            "minutes."
        ),
        answer=account_answers.SessionsEnded,
        access=Access.ADMIN,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/admins",
        handler=list_admins,
        tag=TAG,
        summary="List all admins",
        description="By email. Only a `super_admin` may.",
        answer=account_answers.AdminList,
        access=Access.ADMIN,
        query=Paging,
        forbids=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/admin/admins/{admin_id}",
        handler=update_admin,
        tag=TAG,
        summary="Change an admin's role or state",
        description=(
            "Only a `super_admin` may. Counts from the admin's next request on; deactivating ends "
            "all of their logins."
        ),
        answer=account_answers.Account,
        access=Access.ADMIN,
        body=AdminChanges,
        forbids=True,
        errors=(Code.ADMIN_NOT_FOUND, Code.LAST_SUPER_ADMIN),
    ),
    Endpoint(
        method="GET",
        path="/api/v1/admin/audit",
        handler=read_audit,
        tag=TAG,
        summary="Read the audit",
        description=(
            "What was done to accounts and venues, and by whom, newest first: all of it for a "
            "`super_admin`, for others what they did and what was done to their account."
        ),
        answer=account_answers.Audit,
        access=Access.ADMIN,
        query=Paging,
    ),
)
