"""Admins register, log in, renew their tokens and log out."""

import asyncio
from uuid import uuid4

import pytest

from tests.acceptance.expectations import (
    LOGIN,
    LOGOUT,
    REFRESH,
    REGISTER,
    expect,
    fields_of,
    problems,
    registration,
    unknown,
)
from tests.acceptance.service import Service


async def test_registration_answers_the_admin_with_tokens(service: Service) -> None:
    body = registration(phone_number="+14155550100", permissions=["everything"], is_active=False)
    answer = await service.api.call("POST", REGISTER, body=body)
    assert answer.status == 201
    assert fields_of(answer) == ["admin_id", "email", "name", "access_token", "refresh_token"]
    assert answer.json["email"] == body["email"]
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"bearer {answer.json['access_token']}"}
    assert (await service.api.call("GET", "/api/v1/admin/events", headers=headers)).status == 200


async def test_a_new_admin_is_an_event_manager_unless_another_role_is_asked_for(
    service: Service,
) -> None:
    for role in ("event_manager", "admin"):
        body = registration() | ({"role": role} if role == "admin" else {})
        await service.api.call("POST", REGISTER, body=body)
        login = {"email": body["email"].upper(), "password": body["password"]}
        answer = await service.api.call("POST", LOGIN, body=login)
        assert answer.status == 200
        assert fields_of(answer) == [
            *("admin_id", "access_token", "refresh_token", "role", "permissions")
        ]
        assert answer.json["role"] == role
        assert "events:create" in answer.json["permissions"]


async def test_nobody_registers_as_a_super_admin(service: Service) -> None:
    body = registration(role="super_admin")
    headers = await service.clients.admin()
    expect(await service.api.call("POST", REGISTER, body=body), 403, "UNAUTHORIZED")
    expect(
        await service.api.call("POST", REGISTER, body=body, headers=headers), 403, "UNAUTHORIZED"
    )


async def test_an_email_registers_once_whatever_its_case(service: Service) -> None:
    body = registration()
    await service.api.call("POST", REGISTER, body=body)
    answer = await service.api.call("POST", REGISTER, body=body | {"email": body["email"].upper()})
    expect(answer, 409, "EMAIL_ALREADY_EXISTS")
    assert "already exists" in answer.json["error"]["message"]


async def test_a_registration_says_which_fields_are_missing_or_bad(service: Service) -> None:
    assert problems(await service.api.call("POST", REGISTER, body={})) == {
        "body.email": "email is required",
        "body.password": "password is required",
        "body.name": "name is required",
    }
    body = registration(email="nobody", password="short", phone_number="call me", role="king")
    found = problems(await service.api.call("POST", REGISTER, body=body))
    assert found.keys() == {"body.email", "body.password", "body.phone_number", "body.role"}
    assert "bcrypt" in found["body.password"]


async def test_too_many_registrations_of_one_email_have_to_wait(service: Service) -> None:
    body = registration()
    for _ in range(30):
        await service.api.call("POST", REGISTER, body=body)
    answer = await service.api.call("POST", REGISTER, body=body)
    expect(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(service: Service) -> None:
    body = registration()
    await service.api.call("POST", REGISTER, body=body)
    said = set()
    for email in (body["email"], f"{uuid4().hex}@example.org"):
        login = {"email": email, "password": "wrong horse"}
        answer = await service.api.call("POST", LOGIN, body=login)
        assert expect(answer, 401, "UNAUTHORIZED") == {}
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        said.add(answer.json["error"]["message"])
    assert len(said) == 1


async def test_a_refresh_token_works_once_and_its_reuse_merely_loses_at_first(
    service: Service,
) -> None:
    first = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answer = await service.api.call("POST", REFRESH, body={"refresh_token": first})
    assert answer.status == 200
    assert fields_of(answer) == ["access_token", "refresh_token"]
    second = answer.json["refresh_token"]
    headers = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert (await service.api.call("GET", "/api/v1/admin/events", headers=headers)).status == 200
    for token in (first, "made up"):
        answer = await service.api.call("POST", REFRESH, body={"refresh_token": token})
        expect(answer, 401, "UNAUTHORIZED")
    answer = await service.api.call("POST", REFRESH, body={"refresh_token": second})
    assert answer.status == 200


async def test_of_eight_uses_of_a_refresh_token_at_once_one_wins(service: Service) -> None:
    token = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answers = await asyncio.gather(
        *(
            service.api.call("POST", REFRESH, body={"refresh_token": token}, fresh=True)
            for _ in range(8)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] + [401] * 7


async def test_logout_ends_the_login(service: Service) -> None:
    token = (await service.api.call("POST", REGISTER, body=registration())).json["refresh_token"]
    answer = await service.api.call("POST", LOGOUT, body={"refresh_token": token})
    assert answer.json == {"message": "Logged out"}
    answer = await service.api.call("POST", REFRESH, body={"refresh_token": token})
    expect(answer, 401, "UNAUTHORIZED")
    answer = await service.api.call("POST", LOGOUT, body={"refresh_token": "made up"})
    expect(answer, 401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Basic YWRhOmFkYQ==", "Bearer made.up.token", "made up"]
)
async def test_admin_endpoints_take_an_access_token_only(
    service: Service, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    event, venue = f"/api/v1/admin/events/{unknown()}", f"/api/v1/admin/venues/{unknown()}"
    for method, path in (
        *(("GET", "/api/v1/admin/events"), ("POST", "/api/v1/admin/events")),
        *(("GET", event), ("PUT", event), ("DELETE", event)),
        *(("GET", f"{event}/analytics"), ("GET", f"{event}/history")),
        *(("GET", "/api/v1/admin/venues"), ("POST", "/api/v1/admin/venues")),
        *(("GET", venue), ("PUT", venue), ("DELETE", venue)),
    ):
        answer = await service.api.call(method, path, headers=headers)
        expect(answer, 401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
