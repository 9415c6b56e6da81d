"""What admins send to register and log in, and about accounts.

Rule: as for all bodies, see `routes.contract.bodies`.
"""

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from evently.domain.admins import Role
from routes.contract.fields import Body
from routes.contract.refusal import refusal
from routes.contract.texts import NFC, Name, OptionalPhone

_EMAIL = re.compile(r"[^@\s\"(),:;<>\[\\\]]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
EMAIL_MAX = 254
PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX = 8, 72


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        raise refusal("must be an email address like ada@example.org")
    return text


def _password(text: str) -> str:
    if "\0" in text:
        raise refusal("must not hold a NUL character")
    if not PASSWORD_BYTES_MIN <= len(text.encode()) <= PASSWORD_BYTES_MAX:
        bounds = f"{PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes in UTF-8"
        raise refusal(f"must be {bounds}, which is what bcrypt can hash")
    return text


Email = Annotated[
    str,
    NFC,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=EMAIL_MAX),
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email"}, examples=["ada@example.org"]),
]
Password = Annotated[
    str,
    NFC,
    AfterValidator(_password),
    # The bounds are of bytes, of which a character takes one to four.
    Field(
        description=f"{PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes in UTF-8",
        json_schema_extra={
            "minLength": PASSWORD_BYTES_MIN // 4,
            "maxLength": PASSWORD_BYTES_MAX,
            "format": "password",
        },
    ),
]


class Registration(Body):
    """An admin who registers."""

    email: Email
    password: Password
    name: Name
    phone_number: OptionalPhone = None
    role: Role = "event_manager"


class Login(Body):
    """Who logs in. Any text is taken: a password that could never be is simply wrong.

    The password stays as it was typed, because older hashes are of that.
    """

    allow_nul: ClassVar[bool] = True
    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


class RefreshToken(Body):
    """A refresh token, as it was given out."""

    refresh_token: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


def _not_null(given: Any) -> Any:
    if given is None:
        raise refusal("must have a value, or be left out")
    return given


GIVEN = BeforeValidator(_not_null)


class ProfileChanges(Body):
    """Changes of one's own account; fields that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    name: Annotated[Name | None, GIVEN] = None
    phone_number: OptionalPhone = None


class PasswordChange(Body):
    """A new password, and the one that it replaces, which is taken as it was typed."""

    old_password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    new_password: Password


class AdminChanges(Body):
    """Changes of an admin by a super_admin; fields that are left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    role: Annotated[Role | None, GIVEN] = None
    is_active: Annotated[
        bool | None, GIVEN, Field(description="false ends all their logins, at once")
    ] = None
