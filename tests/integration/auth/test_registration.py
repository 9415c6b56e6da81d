"""How admins register."""

import hashlib
import json

import pytest

from evently.domain.admins import PERMISSIONS, EmailTaken, Role
from tests.integration.auth.service import (
    PASSWORD,
    MakeService,
    Service,
    refusal_of,
    statuses,
)


async def test_a_registered_admin_is_logged_in(service: Service) -> None:
    answer = await service.register("Ada@X.io", phone_number="+14155550100")
    assert (answer.email, answer.name) == ("Ada@X.io", "Ada")
    admin = await service.authenticate(answer.access_token)
    assert (admin.admin_id, admin.role) == (answer.admin_id, "event_manager")
    assert admin.permissions == PERMISSIONS["event_manager"]
    await service.refresh(answer.refresh_token, "req-3")


async def test_an_email_belongs_to_one_admin_whatever_its_case(service: Service) -> None:
    await service.register("ada@x.io")
    before = await service.content()
    refusal = await refusal_of(service.register(" ADA@X.IO "))
    assert (refusal.status, refusal.code) == (409, "EMAIL_ALREADY_EXISTS")
    assert "already exists" in refusal.message
    assert await service.content() == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("\u00e9mile@x.io", "\u00c9MILE@x.io"),
        ("\u00e9mile@x.io", "E\u0301mile@x.io"),
        ("stra\u00dfe@x.io", "STRASSE@x.io"),
        ("\u03bf\u03b4\u03bf\u03c2@x.io", "\u039f\u0394\u039f\u03a3@x.io"),
    ],
)
async def test_the_service_itself_says_which_emails_are_the_same(
    service: Service, first: str, second: str
) -> None:
    registered = await service.register(first)
    assert (await refusal_of(service.register(second))).code == "EMAIL_ALREADY_EXISTS"
    assert (await service.login(second)).admin_id == registered.admin_id


async def test_a_password_is_stored_in_one_form_and_bounded_in_that(service: Service) -> None:
    await service.register(password="cre\u0300me bru\u0302le\u0301e")
    await service.login(password="cr\u00e8me br\u00fbl\u00e9e")
    await service.register("bob@x.io", password="e\u0301" * 36)
    await service.login("bob@x.io", password="\u00e9" * 36)


async def test_of_twenty_concurrent_registrations_of_one_email_one_wins(service: Service) -> None:
    found = await statuses([service.register() for _ in range(20)])
    assert found == {200: 1, 409: 19}
    assert [len(rows) for rows in (await service.content()).values()] == [1, 1, 1, 1]


async def test_of_twenty_registrations_through_many_workers_one_wins(
    service: Service, make_service: MakeService
) -> None:
    workers = [make_service() for _ in range(5)]
    spellings = ("ada@x.io", "ADA@x.io", " Ada@X.io ", "aDa@x.io")
    found = await statuses([w.register(email) for w in workers for email in spellings])
    assert found == {200: 1, 409: 19}
    assert [len(rows) for rows in (await service.content()).values()] == [1, 1, 1, 1]


@pytest.mark.parametrize("role", ["event_manager", "admin"])
async def test_anybody_may_register_an_event_manager_or_admin(service: Service, role: Role) -> None:
    answer = await service.register(role=role)
    admin = await service.authenticate(answer.access_token)
    assert admin.role == role


@pytest.mark.parametrize("caller", [None, "event_manager", "admin"])
async def test_only_a_super_admin_registers_a_super_admin(
    service: Service, caller: Role | None
) -> None:
    bearer = (await service.create(caller)).access_token if caller else None
    before = await service.content()
    refusal = await refusal_of(service.register(role="super_admin", bearer=bearer))
    assert (refusal.status, refusal.code) == (403, "UNAUTHORIZED")
    assert await service.content() == before


async def test_a_super_admin_registers_a_super_admin(service: Service) -> None:
    caller = await service.create("super_admin")
    answer = await service.register(role="super_admin", bearer=caller.access_token)
    admin = await service.authenticate(answer.access_token)
    assert admin.any_owner
    audited = await service.sql(
        "SELECT caller, request_id, details FROM admin_audit ORDER BY audit_id DESC LIMIT 1"
    )
    assert audited[0]["caller"] == f"admin:{caller.admin_id}"
    assert audited[0]["request_id"] == "req-1"
    assert json.loads(audited[0]["details"]) == {"role": "super_admin"}


async def test_an_invalid_token_registers_no_super_admin(service: Service) -> None:
    refusal = await refusal_of(service.register(role="super_admin", bearer="a.b.c"))
    assert refusal.status == 401


@pytest.mark.parametrize(
    ("caller", "status"),
    [(None, 403), ("event_manager", 403), ("admin", 200), ("super_admin", 200)],
)
async def test_closed_registration_needs_an_admin(
    make_service: MakeService, caller: Role | None, status: int
) -> None:
    service = make_service(registration_open=False)
    bearer = (await service.create(caller)).access_token if caller else None
    assert await statuses([service.register(bearer=bearer)]) == {status: 1}


async def test_fields_that_a_client_may_not_set_are_ignored(service: Service) -> None:
    answer = await service.register(
        permissions=["events:any_owner"], is_active=False, admin_id="1", is_superuser=True
    )
    admin = await service.authenticate(answer.access_token)
    assert admin.permissions == PERMISSIONS["event_manager"]


@pytest.mark.parametrize("password", ["short", "x" * 73, "ü" * 37, "a\0" * 8])
async def test_a_password_that_bcrypt_cannot_hash_is_refused(
    service: Service, password: str
) -> None:
    refusal = await refusal_of(service.register(password=password))
    assert (refusal.status, refusal.details["fields"][0]["field"]) == (400, "body.password")


@pytest.mark.parametrize("password", ["x" * 8, "x" * 72, "ü" * 36, "p" * 71 + " "])
async def test_a_password_at_the_bounds_logs_in(service: Service, password: str) -> None:
    await service.register(password=password)
    await service.login(password=password)
    assert (await refusal_of(service.login(password=password[:-1] + "?"))).status == 401


async def test_the_command_line_creates_any_role_and_no_email_twice(service: Service) -> None:
    assert (await service.create("super_admin")).role == "super_admin"
    assert await service.add("admin", "SUPER_admin@x.io") == EmailTaken()


async def test_nothing_secret_is_stored(service: Service) -> None:
    answer = await service.register()
    await refusal_of(service.login(password="my-other-password"))
    rotated = await service.refresh(answer.refresh_token, "req-3")
    await refusal_of(service.refresh(answer.refresh_token, "req-4"))
    kept = str(await service.content()) + str(await service.sql("SELECT * FROM auth_attempts"))
    secrets = (answer.refresh_token, rotated.refresh_token, answer.access_token)
    for secret in (*secrets, PASSWORD, "my-other-password"):
        assert secret not in kept
    digest = hashlib.sha256(rotated.refresh_token.encode()).digest()
    assert str(digest) in kept
