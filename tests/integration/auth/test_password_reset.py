"""What an operator's `admin password` does for an admin who is kept out."""

import asyncio

from click.testing import CliRunner

from evently.commands.admin import admin
from tests.integration.auth.service import Service, refusal_of, statuses

ADDRESSES = ("192.0.2.1", "192.0.2.2")


async def reset(url: str, email: str) -> str:
    """Set a new password on the command line; what it printed."""
    runner = CliRunner(env={"EVENTLY_DATABASE_URL": url})
    arguments = ("password", "--email", email)
    done = await asyncio.to_thread(runner.invoke, admin, arguments, "a new password\n")
    assert done.exit_code == 0, done.output
    return done.output


async def test_they_log_in_at_once_from_everywhere_and_nobody_else_does(service: Service) -> None:
    for email in ("ada@x.io", "eve@x.io"):
        await service.register(email)
        for address in ADDRESSES:
            await statuses([service.login(email, "wrong", address) for _ in range(11)])
            assert (await refusal_of(service.login(email, address=address))).status == 429
    await reset(service.url, " ADA@x.io")
    for address in ADDRESSES:
        await service.login("ada@x.io", "a new password", address)
        assert (await refusal_of(service.login("eve@x.io", address=address))).status == 429


async def test_failures_after_it_count_anew(service: Service) -> None:
    await service.register()
    await statuses([service.login(password="wrong") for _ in range(11)])
    await reset(service.url, "ada@x.io")
    found = [await refusal_of(service.login(password="wrong")) for _ in range(11)]
    assert [refusal.status for refusal in found] == [401] * 10 + [429]


async def test_one_who_is_inactive_stays_out_and_that_is_said(service: Service) -> None:
    await service.register()
    await service.admins.change_activity("ada@x.io", "test", "test", is_active=False)
    assert "ada@x.io is inactive: `evently admin activate`" in await reset(service.url, "ada@x.io")
    assert (await refusal_of(service.login(password="a new password"))).status == 401
