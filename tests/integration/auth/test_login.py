"""How admins log in."""

import pytest

from evently.domain.admins import PERMISSIONS
from routes.auth.passwords import Passwords
from tests.integration.auth.service import (
    PASSWORD,
    MakeService,
    Service,
    refusal_of,
)


async def test_the_right_password_gives_tokens_role_and_permissions(service: Service) -> None:
    registered = await service.register(role="admin")
    answer = await service.login("ADA@x.io ")
    assert (answer.admin_id, answer.role) == (registered.admin_id, "admin")
    assert answer.permissions == list(PERMISSIONS["admin"])
    await service.authenticate(answer.access_token)
    assert service.ends.seen == ["succeeded"]


WRONG = {
    "a wrong password": ("ada@x.io", "incorrect horse"),
    "an unknown email": ("eve@x.io", PASSWORD),
    "an email that is none": ("%", PASSWORD),
    "an email with NUL": ("ada@x.io\0", PASSWORD),
    "a long email": ("a" * 1000, PASSWORD),
    "SQL": ("' OR 1=1 --", PASSWORD),
    "73 bytes": ("ada@x.io", "x" * 73),
    "NUL": ("ada@x.io", PASSWORD + "\0"),
    "a deactivated admin": ("off@x.io", PASSWORD),
}


@pytest.mark.parametrize(("email", "password"), WRONG.values(), ids=WRONG.keys())
async def test_every_wrong_login_gets_the_same_answer(
    service: Service, email: str, password: str
) -> None:
    await service.register()
    await service.register("off@x.io")
    await service.sql("UPDATE admins SET is_active = false WHERE email = 'off@x.io'")
    before = await service.content()
    refusal = await refusal_of(service.login(email, password))
    assert (refusal.status, refusal.code) == (401, "UNAUTHORIZED")
    assert (refusal.message, refusal.details) == ("Email or password is wrong", {})
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}
    assert await service.content() == before
    assert service.ends.seen == ["failed"]


@pytest.mark.parametrize(("email", "password"), WRONG.values(), ids=WRONG.keys())
async def test_every_wrong_login_costs_one_hash(
    make_service: MakeService, email: str, password: str
) -> None:
    class Counting(Passwords):
        checked = 0

        async def matches(self, password: str, stored: str | None) -> bool:
            self.checked += 1
            return await super().matches(password, stored)

    counting = Counting(cost=4)
    service = make_service(passwords=counting)
    await service.register()
    await refusal_of(service.login(email, password))
    assert counting.checked == 1
