"""What admins get when they log in, and of accounts and the audit.

Rule: as in `answers`, these structs are both what is encoded and what the document describes.
"""

import datetime as dt
from typing import Any

import msgspec


class SessionsEnded(msgspec.Struct):
    """How many logins have ended; access tokens work until they expire, within minutes."""

    message: str
    sessions_ended: int


class Registered(msgspec.Struct):
    """A new admin, already logged in."""

    admin_id: str
    email: str
    name: str
    access_token: str
    refresh_token: str


class LoggedIn(msgspec.Struct):
    """An admin's tokens, and what they allow."""

    admin_id: str
    access_token: str
    refresh_token: str
    role: str
    permissions: list[str]


class Refreshed(msgspec.Struct):
    """The next pair of tokens; the one that was sent is used up."""

    access_token: str
    refresh_token: str


class Account(msgspec.Struct):
    """An admin; `sessions` is how many logins go on, on whatever device."""

    admin_id: str
    email: str
    name: str
    phone_number: str | None
    role: str
    permissions: list[str]
    is_active: bool
    created_at: dt.datetime
    sessions: int


class AdminList(msgspec.Struct):
    """One page of all admins, by email."""

    admins: list[Account]
    total: int
    page: int
    limit: int


class AuditEntry(msgspec.Struct):
    """What was done to an admin or venue, and by whom; names are those of now."""

    action: str
    caller: str
    caller_name: str | None
    subject_id: str | None
    subject_name: str | None
    details: dict[str, Any]
    request_id: str
    recorded_at: dt.datetime


class Audit(msgspec.Struct):
    """One page of the audit, newest first."""

    entries: list[AuditEntry]
    page: int
    limit: int
    has_more: bool
