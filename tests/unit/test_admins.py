"""What roles permit, and who may register whom."""

import pytest

from evently.domain.admins import (
    PERMISSIONS,
    Admin,
    RegistrationClosed,
    Role,
    RoleNotAllowed,
    permission_to_register,
    refuse_registration,
    role_of,
)
from tests.examples import ADMIN


def test_only_a_super_admin_may_change_other_admins_events() -> None:
    assert {role for role in PERMISSIONS if Admin(ADMIN, role).any_owner} == {"super_admin"}


def test_every_role_permits_what_the_one_before_it_does_and_more() -> None:
    roles: tuple[Role, ...] = ("event_manager", "admin", "super_admin")
    assert tuple(PERMISSIONS) == roles
    manager, admin, super_admin = (set(Admin(ADMIN, role).permissions) for role in roles)
    assert {"events:create", "venues:delete"} <= manager < admin < super_admin


def test_an_admins_name_in_the_ledger_has_their_id() -> None:
    assert Admin(ADMIN, "admin").caller == f"admin:{ADMIN}"


@pytest.mark.parametrize("role", PERMISSIONS)
def test_the_name_of_a_role_is_one(role: Role) -> None:
    assert role_of(role) == role


@pytest.mark.parametrize("given", ["", "Admin", "customer", None, 1, ["admin"], {"admin": 1}])
def test_anything_else_is_no_role(given: object) -> None:
    assert role_of(given) is None


EVERYBODY: tuple[Role | None, ...] = (None, "event_manager", "admin", "super_admin")
# Whether registration is open, the role to register, and the registrars it is refused to.
REFUSED: tuple[tuple[bool, Role, set[Role | None]], ...] = (
    (True, "event_manager", set()),
    (True, "admin", set()),
    (True, "super_admin", {None, "event_manager", "admin"}),
    (False, "event_manager", {None, "event_manager"}),
    (False, "admin", {None, "event_manager"}),
    (False, "super_admin", {None, "event_manager", "admin"}),
)


@pytest.mark.parametrize(("is_open", "role", "refused"), REFUSED)
def test_who_may_register_whom(role: Role, refused: set[Role | None], *, is_open: bool) -> None:
    outcomes = {
        by: refuse_registration(role, Admin(ADMIN, by) if by else None, is_open=is_open)
        for by in EVERYBODY
    }
    reason = RoleNotAllowed(role) if role == "super_admin" else RegistrationClosed()
    assert outcomes == {by: reason if by in refused else None for by in EVERYBODY}
    anybody_may = permission_to_register(role, is_open=is_open) is None
    assert anybody_may is not bool(refused)
