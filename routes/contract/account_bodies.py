"""What admins send about their own accounts and those of others.

Rule: as for all bodies, see `routes.contract.bodies`.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from evently.domain.admins import Role
from routes.contract.bodies import Password
from routes.contract.fields import Body
from routes.contract.refusal import refusal
from routes.contract.texts import Name, OptionalPhone


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
