"""Which bearer tokens authenticate an admin."""

import time
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient
from multidict import CIMultiDict

from evently.domain.admins import PERMISSIONS
from routes.auth.admin_tokens import AUDIENCE, ISSUER
from routes.contract.errors import ApiError
from tests.integration.auth.service import (
    SECRET,
    Service,
    refusal_of,
)

HEADERS = {
    "none": None,
    "empty": "",
    "the scheme alone": "Bearer",
    "the scheme and a blank": "Bearer ",
    "another scheme": "Basic {}",
    "a longer scheme": "BearerFOO {}",
    "no scheme": "{}",
    "no blank": "Bearer{}",
    "a tab": "Bearer\t{}",
    "two tokens": "Bearer {} {}",
    "a list": "Bearer {}, Bearer {}",
    "a parameter": "Bearer token={}",
    "a byte that is no text": "Bearer \udcff",
    "a megabyte": "Bearer " + "a" * 1_000_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
async def test_anything_but_one_bearer_token_is_401(service: Service, header: str | None) -> None:
    token = (await service.register()).access_token
    headers = {} if header is None else {"Authorization": header.replace("{}", token)}
    refusal = await refusal_of(service.bearer.authenticate(CIMultiDict(headers)))
    assert (refusal.status, refusal.code) == (401, "UNAUTHORIZED")
    wanted = "Bearer" if header is None else 'Bearer error="invalid_token"'
    assert refusal.headers == {"WWW-Authenticate": wanted}


async def test_the_schemes_case_does_not_matter(service: Service) -> None:
    token = (await service.register()).access_token
    for scheme in ("bearer", "BEARER", "Bearer"):
        headers = CIMultiDict({"Authorization": f"{scheme} {token}"})
        await service.bearer.authenticate(headers)


async def test_two_bearer_tokens_are_400(service: Service) -> None:
    token = (await service.register()).access_token
    headers = CIMultiDict([("Authorization", f"Bearer {token}")] * 2)
    refusal = await refusal_of(service.bearer.authenticate(headers))
    assert refusal.status == 400


@pytest.mark.parametrize("change", ["UPDATE admins SET is_active = false", "DELETE FROM admins"])
async def test_a_deactivated_or_deleted_admin_is_refused_at_once(
    service: Service, change: str
) -> None:
    token = (await service.register()).access_token
    await service.authenticate(token)
    await service.sql(change)
    refusal = await refusal_of(service.authenticate(token))
    assert (refusal.status, "WWW-Authenticate" in refusal.headers) == (401, True)


async def test_an_admin_has_their_current_role_and_not_the_tokens(service: Service) -> None:
    token = (await service.create("super_admin")).access_token
    await service.sql("UPDATE admins SET role = 'event_manager'")
    admin = await service.authenticate(token)
    assert (admin.role, admin.any_owner) == ("event_manager", False)
    assert admin.permissions == PERMISSIONS["event_manager"]


FORGED: dict[str, dict[str, Any]] = {
    "another secret": {"key": "fedcba9876543210fedcba9876543210"},
    "HS512": {"key": SECRET * 2, "algorithm": "HS512"},
    "none": {"key": "", "algorithm": "none"},
    "a kid": {"headers": {"kid": "1"}},
    "a jku": {"headers": {"jku": "https://example.org"}},
    "no exp": {"exp": None},
    "expired": {"exp": 1},
    "an odd exp": {"exp": "9999999999"},
    "another audience": {"aud": "evently-customer"},
    "another issuer": {"iss": "users"},
    "nbf ahead": {"nbf": 9_999_999_999},
    "a customer": {"role": "customer"},
    "nobody": {"sub": "00000000-0000-0000-0000-000000000000"},
}


def token_of(admin_id: str, **changed: Any) -> str:
    """A token that is good but for what is changed."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": admin_id,
        "role": "event_manager",
        "permissions": [],
        "iss": ISSUER,
    }
    claims |= {"aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "1"}
    with_key: dict[str, Any] = {"key": SECRET, "algorithm": "HS256", "headers": None}
    for name, to in changed.items():
        (with_key if name in with_key else claims)[name] = to
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, **with_key)


async def test_a_token_with_all_claims_is_accepted(service: Service) -> None:
    admin_id = (await service.register()).admin_id
    await service.authenticate(token_of(admin_id))


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_401(service: Service, changed: dict[str, Any]) -> None:
    admin_id = (await service.register()).admin_id
    token = token_of(admin_id, **changed)
    refusal = await refusal_of(service.authenticate(token))
    assert (refusal.status, "WWW-Authenticate" in refusal.headers) == (401, True)


async def test_the_headers_of_a_low_level_request_are_read(service: Service) -> None:
    token = (await service.register()).access_token

    async def answer(given: web.BaseRequest) -> web.Response:
        try:
            return web.Response(text=(await service.bearer.authenticate(given.headers)).role)
        except ApiError as error:
            return web.Response(status=error.status, text=error.message)

    client: TestClient[web.BaseRequest, None] = TestClient(RawTestServer(answer))
    async with client:
        for method in ("GET", "OPTIONS"):
            good = {"Authorization": f"Bearer {token}"}
            async with client.request(method, "/", headers=good) as response:
                assert (response.status, await response.text()) == (200, "event_manager")
            async with client.request(method, "/") as response:
                assert response.status == 401
