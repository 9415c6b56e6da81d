"""How guessing is stopped."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import asyncpg

from routes.auth.client_address import ClientAddress
from routes.auth.passwords import Passwords
from routes.auth.throttle import Limits
from tests.integration.auth.service import (
    MakeService,
    Service,
    refusal_of,
    statuses,
)


async def test_after_ten_failures_the_account_is_throttled(service: Service) -> None:
    await service.register()
    refusals = [await refusal_of(service.login(password="wrong")) for _ in range(50)]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429] * 40
    assert all(0 < int(refusal.headers["Retry-After"]) <= 900 for refusal in refusals[10:])
    assert (await refusal_of(service.login())).status == 429
    assert Counter(service.ends.seen) == {"failed": 10, "throttled": 41}


async def test_after_the_window_the_right_password_works(service: Service) -> None:
    await service.register()
    await statuses([service.login(password="wrong") for _ in range(12)])
    assert (await refusal_of(service.login())).status == 429
    await service.windows_end()
    await service.login()


async def test_an_unknown_account_is_throttled_like_a_known_one(service: Service) -> None:
    refusals = [await refusal_of(service.login("eve@x.io", "wrong")) for _ in range(11)]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429]


async def test_another_case_of_the_email_is_the_same_account(service: Service) -> None:
    emails = ("ada@x.io", "ADA@x.io", " ada@X.IO ") * 4
    refusals = [await refusal_of(service.login(email, "wrong")) for email in emails]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429] * 2


async def test_emails_that_fold_to_the_same_are_the_same_account(service: Service) -> None:
    # A Kelvin sign is in no way ASCII, until it is folded; an accent may be a character of its own.
    registered = await service.register("kiki.n\u00e9e@x.io")
    spellings = ("kiki.n\u00e9e@x.io", "KIKI.NE\u0301E@x.io", "\u212ai\u212ai.n\u00c9e@X.IO")
    for spelling in spellings:
        assert (await service.login(spelling)).admin_id == registered.admin_id
    found = [await refusal_of(service.login(email, "wrong")) for email in spellings * 5]
    assert [refusal.status for refusal in found] == [401] * 10 + [429] * 5
    found = [await refusal_of(service.login("\u03b1\u03a3@x.io", "wrong")) for _ in range(5)]
    found += [await refusal_of(service.login("\u0391\u03c3@x.io", "wrong")) for _ in range(6)]
    assert [refusal.status for refusal in found] == [401] * 10 + [429]


async def test_every_worker_sees_the_failures(service: Service, make_service: MakeService) -> None:
    other = make_service()
    for _ in range(5):
        await refusal_of(service.login(password="wrong"))
        await refusal_of(other.login(password="wrong"))
    assert (await refusal_of(other.login())).status == 429


async def test_failures_from_another_address_do_not_throttle_the_admin(service: Service) -> None:
    await service.register()
    await statuses([service.login(password="wrong", address="203.0.113.7") for _ in range(15)])
    await service.login(address="192.0.2.1")


async def test_failures_from_many_addresses_throttle_the_account(service: Service) -> None:
    await service.register()
    for host in range(30):
        await refusal_of(service.login(password="wrong", address=f"203.0.113.{host}"))
    assert (await refusal_of(service.login())).status == 429


async def test_one_address_may_not_try_every_account(make_service: MakeService) -> None:
    limits = Limits(address=replace(Limits().address, attempts_max=5))
    service = make_service(limits=limits)
    await service.register()
    refusals = [await refusal_of(service.login(f"e{n}@x.io", "wrong")) for n in range(6)]
    assert [refusal.status for refusal in refusals] == [401] * 5 + [429]
    assert (await refusal_of(service.login())).status == 429
    await service.login(address="203.0.113.7")


async def test_a_client_that_forges_addresses_is_one_client(make_service: MakeService) -> None:
    """Whether or not there is a proxy to believe: what stands left of its word says nothing."""
    untrusting = make_service(addresses=ClientAddress())
    behind = make_service()
    for service, spoofed in ((untrusting, "203.0.113.{}"), (behind, "203.0.113.{}, 192.0.2.9")):
        for number in range(10):
            refusal = await refusal_of(
                service.login("eve@x.io", "wrong", address=spoofed.format(number))
            )
            assert refusal.status == 401
        refusal = await refusal_of(service.login("eve@x.io", address=spoofed.format(99)))
        assert refusal.status == 429


async def test_all_of_an_ipv6_network_is_one_client(service: Service) -> None:
    found = [
        await refusal_of(service.login("eve@x.io", "wrong", address=f"2001:db8:1:2:{host:x}::1"))
        for host in range(11)
    ]
    assert [refusal.status for refusal in found] == [401] * 10 + [429]
    other = await refusal_of(service.login("eve@x.io", "wrong", address="2001:db8:1:3::1"))
    assert other.status == 401


async def test_a_throttled_login_is_not_counted(service: Service) -> None:
    for _ in range(40):
        await refusal_of(service.login(password="wrong"))
    counts = await service.sql("SELECT attempts FROM auth_attempts")
    assert [row["attempts"] for row in counts] == [10, 10, 10]


async def test_a_login_resets_the_failures_of_its_account_but_not_of_the_address(
    service: Service,
) -> None:
    await service.register()
    for _ in range(9):
        await refusal_of(service.login(password="wrong"))
    await service.login()
    for _ in range(9):
        await refusal_of(service.login(password="wrong"))
    await service.login()
    counts = await service.sql("SELECT attempts FROM auth_attempts ORDER BY attempts DESC")
    assert counts[0]["attempts"] == 18


async def test_concurrent_guesses_get_no_more_tries_than_sequential_ones(service: Service) -> None:
    await service.register()
    guesses = [service.login(password=f"wrong {n}") for n in range(40)]
    assert await statuses(guesses) == {401: 10, 429: 30}
    assert (await refusal_of(service.login())).status == 429


async def test_a_burst_of_failures_is_audited_once(service: Service) -> None:
    registered = await service.register()
    for _ in range(20):
        await refusal_of(service.login(password="wrong"))
    audited = await service.sql("SELECT * FROM admin_audit WHERE action = 'login_throttled'")
    assert [(str(row["subject_id"]), row["request_id"]) for row in audited] == [
        (registered.admin_id, "req-2")
    ]
    assert json.loads(audited[0]["details"]) == {
        "limit": "login-account-address",
        "failures": 10,
        "address": "192.0.2.1",
    }


async def test_a_hundred_concurrent_logins_are_bounded(make_service: MakeService) -> None:
    service = make_service(passwords=Passwords(cost=4, waiting_max=4))
    await service.register()
    found = await statuses([service.login() for _ in range(100)])
    assert set(found) <= {200, 429}
    assert found[200] >= 4
    assert Counter(service.ends.seen) == {"succeeded": found[200], "throttled": found[429]}
    await service.login()


async def test_whoever_is_past_the_bound_asks_the_database_for_nothing(
    make_service: MakeService,
) -> None:
    service = make_service(passwords=Passwords(cost=4, waiting_max=1))
    await service.register()
    held = await asyncpg.connect(service.url)
    try:
        async with asyncio.timeout(10), held.transaction():
            await held.execute("LOCK auth_attempts")
            first = asyncio.create_task(service.login())
            await asyncio.sleep(0)
            assert await statuses([service.login(), service.register("eve@x.io")]) == {429: 2}
            assert not first.done()
        await first
    finally:
        await held.close()


async def test_registrations_of_one_email_are_throttled(make_service: MakeService) -> None:
    limits = Limits()
    limits = replace(
        limits, registration_account=replace(limits.registration_account, attempts_max=3)
    )
    service = make_service(limits=limits)
    ended = [await statuses([service.register()]) for _ in range(5)]
    assert ended == [{200: 1}, {409: 1}, {409: 1}, {429: 1}, {429: 1}]
    await service.register("eve@x.io")


async def test_registrations_from_one_address_are_throttled(make_service: MakeService) -> None:
    limits = Limits()
    limits = replace(
        limits, registration_address=replace(limits.registration_address, attempts_max=3)
    )
    service = make_service(limits=limits)
    ended = [await statuses([service.register(f"a{n}@x.io")]) for n in range(5)]
    assert ended == [{200: 1}, {200: 1}, {200: 1}, {429: 1}, {429: 1}]
    await service.windows_end()
    await service.register("late@x.io")


async def test_a_hundred_ended_windows_are_pruned_at_a_time(service: Service) -> None:
    await service.sql(
        "INSERT INTO auth_attempts"
        " SELECT sha256(n::text::bytea), 1, now() - interval '1 s'"
        "   FROM generate_series(1, 250) AS n"
    )
    await refusal_of(service.login("eve@x.io", "wrong"))
    left = await service.sql("SELECT FROM auth_attempts WHERE window_ends_at <= now()")
    assert len(left) == 150


async def test_ended_windows_are_pruned(service: Service) -> None:
    for number in range(5):
        await refusal_of(service.login(f"e{number}@x.io", "wrong"))
    await service.windows_end()
    await refusal_of(service.login("last@x.io", "wrong"))
    assert len(await service.sql("SELECT FROM auth_attempts")) == 3
