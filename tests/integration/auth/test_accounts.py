"""Admins see and change their accounts, super_admins everybody's, and the audit tells of it."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from evently.domain.admins import Admin, Role
from routes.auth.passwords import Passwords
from routes.contract.account_answers import Account
from routes.contract.account_bodies import AdminChanges, PasswordChange, ProfileChanges
from routes.contract.bodies import Paging
from routes.contract.errors import ApiError, Code
from routes.contract.validation import read_body, read_query
from routes.handlers import accounts as handlers
from tests.integration.auth.service import PASSWORD, MakeService, Service, refusal_of

NEW_PASSWORD = "staple battery"
STRANGER = Admin(str(uuid4()), "admin")


async def known(service: Service, role: Role = "event_manager", email: str = "ada@x.io") -> Admin:
    added = await service.add(role, email)
    assert isinstance(added, Admin)
    return added


async def own(service: Service, admin: Admin) -> Account:
    return await handlers.get_own_account(service.call(admin))


async def change_own(service: Service, admin: Admin, **fields: Any) -> Account:
    return await handlers.update_own_account(service.call(admin, read_body(ProfileChanges, fields)))


async def change_password(service: Service, admin: Admin, old: str, new: str) -> Any:
    body = read_body(PasswordChange, {"old_password": old, "new_password": new})
    return await handlers.change_own_password(service.call(admin, body))


async def change(service: Service, by: Admin, admin_id: str, **fields: Any) -> Account:
    body = read_body(AdminChanges, fields)
    return await handlers.update_admin(service.call(by, body, admin_id=admin_id))


async def audited(service: Service, admin: Admin, **query: str) -> list[tuple[str, Any]]:
    call = service.call(admin, query=read_query(Paging, query))
    return [(one.action, one.details) for one in (await handlers.read_audit(call)).entries]


async def test_an_account_tells_what_the_admin_may_do_and_where_they_are_logged_in(
    service: Service,
) -> None:
    registered = await service.register(phone_number="+1 415 555 0100")
    admin = Admin(registered.admin_id, "event_manager")
    found = await own(service, admin)
    assert (found.email, found.name, found.phone_number) == ("ada@x.io", "Ada", "+1 415 555 0100")
    assert (found.role, found.is_active, found.sessions) == ("event_manager", True, 1)
    assert "events:create" in found.permissions
    await service.login()
    assert (await own(service, admin)).sessions == 2


async def test_an_admin_of_the_user_service_has_no_account_here(service: Service) -> None:
    assert (await refusal_of(own(service, STRANGER))).code is Code.ADMIN_NOT_FOUND
    assert (await refusal_of(change_own(service, STRANGER, name="B"))).code is Code.ADMIN_NOT_FOUND
    refused = await refusal_of(change_password(service, STRANGER, PASSWORD, NEW_PASSWORD))
    assert refused.code is Code.ADMIN_NOT_FOUND


async def test_name_and_phone_number_change_and_the_audit_says_which(service: Service) -> None:
    admin = await known(service)
    changed = await change_own(service, admin, name=" Ada King ", phone_number="555 0100")
    assert (changed.name, changed.phone_number) == ("Ada King", "555 0100")
    assert (await change_own(service, admin, phone_number=None)).phone_number is None
    # What is so already is no change.
    assert (await change_own(service, admin, name="Ada King")).name == "Ada King"
    told = await audited(service, admin)
    assert told[:2] == [
        ("profile_changed", {"fields": ["phone_number"]}),
        ("profile_changed", {"fields": ["name", "phone_number"]}),
    ]
    assert [action for action, _ in told].count("profile_changed") == 2


@pytest.mark.parametrize("fields", [{}, {"name": None}, {"name": " "}, {"phone_number": "12"}])
async def test_a_change_that_says_nothing_or_something_wrong_is_refused(
    service: Service, fields: dict[str, Any]
) -> None:
    admin = await known(service)
    before = await service.content()
    refused = await refusal_of(change_own(service, admin, **fields))
    assert refused.code is Code.VALIDATION_ERROR
    assert await service.content() == before


async def test_a_new_password_ends_every_login_but_the_one_that_it_begins(
    service: Service,
) -> None:
    registered = await service.register()
    admin = Admin(registered.admin_id, "event_manager")
    other = await service.login()
    tokens = await change_password(service, admin, PASSWORD, NEW_PASSWORD)
    for ended in (registered.refresh_token, other.refresh_token):
        assert (await refusal_of(service.refresh(ended, "r"))).status == 401
    assert await service.authenticate(tokens.access_token) == admin
    assert (await own(service, admin)).sessions == 1
    await service.refresh(tokens.refresh_token, "r")
    assert (await refusal_of(service.login())).status == 401
    await service.login(password=NEW_PASSWORD)
    assert ("password_changed", {"logins_ended": 2}) in await audited(service, admin)


async def test_a_wrong_old_password_changes_nothing_and_stands_at_its_field(
    service: Service,
) -> None:
    admin = await known(service)
    before = await service.content()
    refused = await refusal_of(change_password(service, admin, "wrong horse", NEW_PASSWORD))
    assert [field["field"] for field in refused.details["fields"]] == ["body.old_password"]
    assert await service.content() == before


async def test_guessing_the_old_password_is_throttled_like_a_login(service: Service) -> None:
    admin = await known(service)
    for _ in range(10):
        await refusal_of(change_password(service, admin, "wrong horse", NEW_PASSWORD))
    refused = await refusal_of(change_password(service, admin, PASSWORD, NEW_PASSWORD))
    assert refused.code is Code.RATE_LIMITED
    assert (await refusal_of(service.login())).code is Code.RATE_LIMITED


async def test_of_two_who_change_a_password_at_once_one_wins(service: Service) -> None:
    admin = await known(service)
    ended = await asyncio.gather(
        *(change_password(service, admin, PASSWORD, f"staple {n} battery") for n in range(4)),
        return_exceptions=True,
    )
    assert sum(not isinstance(one, ApiError) for one in ended) == 1


async def test_logging_out_everywhere_ends_every_login(service: Service) -> None:
    registered = await service.register()
    admin = Admin(registered.admin_id, "event_manager")
    other = await service.login()
    ended = await handlers.end_own_sessions(service.call(admin))
    assert ended.sessions_ended == 2
    for token in (registered.refresh_token, other.refresh_token):
        assert (await refusal_of(service.refresh(token, "r"))).status == 401
    assert (await handlers.end_own_sessions(service.call(admin))).sessions_ended == 0
    told = await audited(service, admin)
    assert (
        told.count(("refreshes_revoked", {"reason": "logout_everywhere", "logins_ended": 2})) == 1
    )


async def test_only_a_super_admin_sees_and_changes_others(service: Service) -> None:
    ada = await known(service, "admin")
    bob = await known(service, "event_manager", "bob@x.io")
    before = await service.content()
    listing = handlers.list_admins(service.call(ada, query=read_query(Paging, {})))
    assert (await refusal_of(listing)).status == 403
    assert (await refusal_of(change(service, ada, bob.admin_id, role="admin"))).status == 403
    assert await service.content() == before


async def test_a_super_admin_lists_all_by_email(service: Service) -> None:
    root = await known(service, "super_admin", "root@x.io")
    for name in ("cleo", "Bob", "ada"):
        await known(service, "admin", f"{name}@x.io")
    query = read_query(Paging, {"limit": "3"})
    found = await handlers.list_admins(service.call(root, query=query))
    assert [one.email for one in found.admins] == ["ada@x.io", "Bob@x.io", "cleo@x.io"]
    assert (found.total, found.page, found.limit) == (4, 1, 3)


async def test_a_role_changes_with_the_next_request(service: Service) -> None:
    root = await known(service, "super_admin", "root@x.io")
    login = await service.create("event_manager")
    assert (await change(service, root, login.admin_id, role="admin")).role == "admin"
    assert (await service.authenticate(login.access_token)).role == "admin"
    assert await audited(service, root, limit="1") == [
        ("role_changed", {"from": "event_manager", "to": "admin"})
    ]


async def test_a_deactivated_admin_is_out_at_once_and_may_come_back(service: Service) -> None:
    root = await known(service, "super_admin", "root@x.io")
    login = await service.create("event_manager")
    assert not (await change(service, root, login.admin_id, is_active=False)).is_active
    assert (await refusal_of(service.authenticate(login.access_token))).status == 401
    assert (await refusal_of(service.refresh(login.refresh_token, "r"))).status == 401
    assert (await change(service, root, login.admin_id, is_active=True)).is_active
    await service.login("event_manager@x.io")
    assert await audited(service, root, limit="2") == [
        ("admin_activated", {"logins_ended": 0}),
        ("admin_deactivated", {"logins_ended": 1}),
    ]


async def test_an_unknown_admin_is_not_found(service: Service) -> None:
    root = await known(service, "super_admin")
    refused = await refusal_of(change(service, root, str(uuid4()), role="admin"))
    assert refused.code is Code.ADMIN_NOT_FOUND


@pytest.mark.parametrize("fields", [{"role": "admin"}, {"is_active": False}])
async def test_the_last_active_super_admin_stays(service: Service, fields: dict[str, Any]) -> None:
    root = await known(service, "super_admin")
    gone = await known(service, "super_admin", "gone@x.io")
    await change(service, root, gone.admin_id, is_active=False)
    before = await service.content()
    refused = await refusal_of(change(service, root, root.admin_id, **fields))
    assert refused.code is Code.LAST_SUPER_ADMIN
    assert await service.content() == before
    # What leaves them a super_admin is no harm, and one who is out already may lose the role.
    await change(service, root, root.admin_id, role="super_admin", is_active=True)
    await change(service, root, gone.admin_id, role="admin")


async def test_of_two_super_admins_who_remove_each_other_one_stays(service: Service) -> None:
    for turn in range(10):
        pair = [await known(service, "super_admin", f"{n}-{turn}@x.io") for n in range(2)]
        ended = await asyncio.gather(
            change(service, pair[0], pair[1].admin_id, is_active=False),
            change(service, pair[1], pair[0].admin_id, role="admin"),
            return_exceptions=True,
        )
        refused = [one for one in ended if isinstance(one, ApiError)]
        assert [one.code for one in refused] == [Code.LAST_SUPER_ADMIN]
        await service.sql("DELETE FROM admins")


async def test_the_audit_is_all_for_a_super_admin_and_ones_own_for_others(
    service: Service,
) -> None:
    root = await known(service, "super_admin", "root@x.io")
    ada, bob = await known(service), await known(service, "admin", "bob@x.io")
    await change(service, root, ada.admin_id, role="admin")
    await change_own(service, bob, name="Bob")
    assert [action for action, _ in await audited(service, ada)] == [
        "role_changed",
        "admin_registered",
    ]
    assert len(await audited(service, root)) == 5
    call = service.call(root, query=read_query(Paging, {"limit": "2"}))
    page = await handlers.read_audit(call)
    assert ([one.action for one in page.entries], page.has_more) == (
        ["profile_changed", "role_changed"],
        True,
    )
    newest = page.entries[0]
    assert (newest.caller, newest.caller_name) == (bob.caller, "Bob")
    assert (newest.subject_id, newest.subject_name) == (bob.admin_id, "Bob")
    call = service.call(root, query=read_query(Paging, {"limit": "5"}))
    assert not (await handlers.read_audit(call)).has_more


class LateForOne(Passwords):
    """Checks `late` only once `opened` is set."""

    def __init__(self, late: str) -> None:
        super().__init__(cost=4, waiting_max=200)
        self._late = late
        self.opened = asyncio.Event()

    async def matches(self, password: str, stored: str | None) -> bool:
        """As every password, but later."""
        if password == self._late:
            await self.opened.wait()
        return await super().matches(password, stored)


async def test_concurrent_guesses_do_not_find_the_old_password_past_the_limit(
    make_service: MakeService,
) -> None:
    passwords = LateForOne(PASSWORD)
    service = make_service(passwords=passwords)
    admin = await known(service)
    right = asyncio.create_task(change_password(service, admin, PASSWORD, NEW_PASSWORD))
    ended = await asyncio.gather(
        *(change_password(service, admin, f"wrong horse {n}", NEW_PASSWORD) for n in range(40)),
        return_exceptions=True,
    )
    assert all(isinstance(one, ApiError) for one in ended)
    passwords.opened.set()
    assert (await refusal_of(right)).code is Code.RATE_LIMITED
