"""How logins are continued with refresh tokens, and ended."""

import asyncio
import json
from dataclasses import replace

import jwt
import pytest

from db.refresh_store import FamilyLimits
from evently.domain.admins import PERMISSIONS
from routes.auth.refresh_token import new_refresh_token
from routes.contract.errors import ApiError
from tests.integration.auth.service import (
    MakeService,
    Service,
    refusal_of,
    statuses,
)


async def test_a_refresh_token_gives_the_next_pair(service: Service) -> None:
    first = await service.register()
    second = await service.refresh(first.refresh_token, "req-3")
    admin = await service.authenticate(second.access_token)
    assert admin.admin_id == first.admin_id
    third = await service.refresh(second.refresh_token, "req-4")
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_reusing_a_token_revokes_its_family_and_no_other(
    service: Service,
) -> None:
    first = await service.register()
    other = await service.login()
    second = await service.refresh(first.refresh_token, "req-3")
    await service.later(10)
    refusals = [
        await refusal_of(service.refresh(token, "req-4"))
        for token in (first.refresh_token, second.refresh_token, first.refresh_token)
    ]
    assert [refusal.status for refusal in refusals] == [401, 401, 401]
    await service.refresh(other.refresh_token, "req-5")
    audited = await service.sql("SELECT * FROM admin_audit WHERE action = 'refreshes_revoked'")
    assert [(str(row["subject_id"]), row["request_id"]) for row in audited] == [
        (first.admin_id, "req-4")
    ]


async def test_of_eight_concurrent_uses_one_wins_and_its_tokens_work(service: Service) -> None:
    first = await service.register()
    ended = await asyncio.gather(
        *(service.refresh(first.refresh_token, "req-3") for _ in range(8)),
        return_exceptions=True,
    )
    won = [end for end in ended if not isinstance(end, BaseException)]
    lost = [end.status for end in ended if isinstance(end, ApiError)]
    assert (len(won), lost) == (1, [401] * 7)
    second = await service.refresh(won[0].refresh_token, "req-4")
    await service.refresh(second.refresh_token, "req-5")


async def test_a_token_that_comes_back_within_ten_seconds_merely_loses(service: Service) -> None:
    first = await service.register()
    second = await service.refresh(first.refresh_token, "req-3")
    await service.later(9)
    assert (await refusal_of(service.refresh(first.refresh_token, "req-4"))).status == 401
    await service.refresh(second.refresh_token, "req-5")
    assert not await service.sql("SELECT FROM admin_audit WHERE action = 'refreshes_revoked'")


async def test_a_login_is_continued_so_often_in_a_window(make_service: MakeService) -> None:
    service = make_service(family_limits=FamilyLimits(refreshes_max=3, window_s=60))
    other = await service.register()
    token = (await service.login()).refresh_token
    for _ in range(3):
        token = (await service.refresh(token, "req-3")).refresh_token
    for _ in range(2):
        refusal = await refusal_of(service.refresh(token, "req-4"))
        assert (refusal.status, 0 < int(refusal.headers["Retry-After"]) <= 60) == (429, True)
    await service.refresh(other.refresh_token, "req-5")
    await service.windows_end()
    for _ in range(3):
        token = (await service.refresh(token, "req-6")).refresh_token
    assert (await refusal_of(service.refresh(token, "req-7"))).status == 429


async def test_a_login_keeps_the_latest_of_its_used_tokens(make_service: MakeService) -> None:
    service = make_service(family_limits=FamilyLimits(used_kept=2))
    tokens = [(await service.register()).refresh_token]
    for _ in range(5):
        await service.later(11)
        tokens.append((await service.refresh(tokens[-1], "req-3")).refresh_token)
    assert len(await service.sql("SELECT FROM refresh_tokens WHERE used_at IS NOT NULL")) == 3
    assert (await refusal_of(service.refresh(tokens[1], "req-4"))).status == 401
    tokens.append((await service.refresh(tokens[-1], "req-5")).refresh_token)
    await service.later(11)
    await refusal_of(service.refresh(tokens[-3], "req-6"))
    assert (await refusal_of(service.refresh(tokens[-1], "req-7"))).status == 401


async def test_one_login_more_than_an_admin_may_have_ends_the_oldest(service: Service) -> None:
    first = await service.register()
    stranger = await service.register("eve@x.io")
    second = await service.login()
    third = new_refresh_token()
    family = replace(third.family(604_800.0), logins_max=2)
    await service.refreshes.start_refresh_family(first.admin_id, family)
    assert (await refusal_of(service.refresh(first.refresh_token, "req-3"))).status == 401
    for token in (second.refresh_token, third.text, stranger.refresh_token):
        await service.refresh(token, "req-4")


async def test_of_eight_concurrent_uses_through_eight_workers_one_wins(
    service: Service, make_service: MakeService
) -> None:
    first = await service.register()
    workers = [make_service() for _ in range(8)]
    found = await statuses([w.refresh(first.refresh_token, "req-3") for w in workers])
    assert found == {200: 1, 401: 7}
    assert len((await service.content())["refresh_tokens"]) == 2


async def test_an_expired_token_is_refused(service: Service) -> None:
    first = await service.register()
    await service.sql("UPDATE refresh_tokens SET expires_at = now()")
    before = await service.content()
    assert (await refusal_of(service.refresh(first.refresh_token, "req-3"))).status == 401
    assert await service.content() == before


async def test_a_token_is_valid_for_its_time_to_live(make_service: MakeService) -> None:
    service = make_service(refresh_ttl_s=3600)
    first = await service.register()
    await service.refresh(first.refresh_token, "req-3")
    rows = await service.sql(
        "SELECT t.expires_at - t.issued_at AS token, f.expires_at - t.issued_at AS family"
        "  FROM refresh_tokens t JOIN refresh_families f USING (family_id) WHERE used_at IS NULL"
    )
    assert [(row["token"].total_seconds(), row["family"].total_seconds()) for row in rows] == [
        (3600, 3600)
    ]


@pytest.mark.parametrize("change", ["UPDATE admins SET is_active = false", "DELETE FROM admins"])
async def test_an_admin_who_may_not_log_in_may_not_refresh(service: Service, change: str) -> None:
    first = await service.register()
    await service.sql(change)
    assert (await refusal_of(service.refresh(first.refresh_token, "req-3"))).status == 401


async def test_a_refresh_uses_the_current_role(service: Service) -> None:
    first = await service.register()
    await service.sql("UPDATE admins SET role = 'admin'")
    second = await service.refresh(first.refresh_token, "req-3")
    claims = jwt.decode(second.access_token, options={"verify_signature": False})
    assert (claims["role"], claims["permissions"]) == ("admin", list(PERMISSIONS["admin"]))


NO_REFRESH_TOKENS = ["", "x", "A" * 43, "A" * 44, "A" * 42 + "+", "\udcff" * 43, "A" * 1000, "\0"]


@pytest.mark.parametrize("token", NO_REFRESH_TOKENS, ids=range(len(NO_REFRESH_TOKENS)))
async def test_anything_but_a_refresh_token_is_refused(service: Service, token: str) -> None:
    for use in (service.refresh, service.logout):
        refusal = await refusal_of(use(token, "req-3"))
        assert (refusal.status, refusal.headers) == (401, {"WWW-Authenticate": "Bearer"})


async def test_access_and_refresh_tokens_are_not_interchangeable(service: Service) -> None:
    first = await service.register()
    assert (await refusal_of(service.refresh(first.access_token, "req-3"))).status == 401
    refusal = await refusal_of(service.authenticate(first.refresh_token))
    assert refusal.status == 401
    await service.refresh(first.refresh_token, "req-4")


async def test_logout_ends_this_login_and_no_other(service: Service) -> None:
    first = await service.register()
    other = await service.login()
    second = await service.refresh(first.refresh_token, "req-3")
    assert (await service.logout(second.refresh_token, "req-4")).message == "Logged out"
    assert (await refusal_of(service.refresh(second.refresh_token, "req-5"))).status == 401
    await service.refresh(other.refresh_token, "req-6")


async def test_logout_twice_is_as_good_as_once(service: Service) -> None:
    first = await service.register()
    await service.logout(first.refresh_token, "req-3")
    before = await service.content()
    await service.logout(first.refresh_token, "req-4")
    assert await service.content() == before


async def test_expired_tokens_and_families_are_pruned(service: Service) -> None:
    first = await service.register()
    second = await service.refresh(first.refresh_token, "req-3")
    await service.sql("UPDATE refresh_tokens SET expires_at = now() WHERE used_at IS NOT NULL")
    await service.refresh(second.refresh_token, "req-4")
    assert len(await service.sql("SELECT FROM refresh_tokens")) == 2
    await service.sql("UPDATE refresh_families SET expires_at = now()")
    await service.login()
    content = await service.content()
    assert (len(content["refresh_families"]), len(content["refresh_tokens"])) == (1, 1)


async def test_a_family_revoked_while_a_token_rotates_stays_revoked(service: Service) -> None:
    first = await service.register()
    ended = await asyncio.gather(
        service.refresh(first.refresh_token, "req-3"),
        service.logout(first.refresh_token, "req-4"),
        return_exceptions=True,
    )
    for end in ended:
        token = getattr(end, "refresh_token", first.refresh_token)
        assert (await refusal_of(service.refresh(token, "req-5"))).status == 401


async def test_what_is_done_to_an_admin_is_audited_once(service: Service) -> None:
    first = await service.register()
    second = await service.refresh(first.refresh_token, "req-3")
    await service.logout(second.refresh_token, "req-4")
    await service.logout(second.refresh_token, "req-5")
    await refusal_of(service.refresh(first.refresh_token, "req-6"))
    rows = await service.sql("SELECT * FROM admin_audit ORDER BY audit_id")
    assert [
        (row["action"], row["caller"], row["request_id"], str(row["subject_id"])) for row in rows
    ] == [
        ("admin_registered", "anonymous", "req-1", first.admin_id),
        ("refreshes_revoked", f"admin:{first.admin_id}", "req-4", first.admin_id),
    ]
    assert json.loads(rows[0]["details"]) == {"role": "event_manager"}
    assert json.loads(rows[1]["details"])["reason"] == "logout"
    assert all(row["recorded_at"] is not None for row in rows)
