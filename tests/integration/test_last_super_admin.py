"""The last active super_admin stays, unless an operator insists."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from click.testing import CliRunner, Result

from db.admin_store import AdminStore, NewAdmin
from db.audit_store import Audited, AuditEntry
from db.database import Database
from evently.commands.admin import admin
from evently.domain.admins import LastSuperAdmin, Role

IDS = {
    name: f"{digit * 8}-1111-4111-8111-111111111111"
    for name, digit in zip("abc", "123", strict=True)
}
WHO = ("command line", "request")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
def admins(database: Database) -> AdminStore:
    return AdminStore(database)


async def add(admins: AdminStore, name: str, role: Role = "super_admin") -> str:
    email = f"{name}@example.org"
    entry = AuditEntry(Audited.ADMIN_REGISTERED, *WHO, IDS[name], {})
    assert await admins.add_admin(NewAdmin(IDS[name], email, "", name, None, role), entry)
    return email


async def standings(admins: AdminStore) -> list[tuple[str, str, bool]]:
    return [(one.name, one.role, one.is_active) for one in await admins.list_admins()]


async def command(url: str, *arguments: str) -> Result:
    environ = {"EVENTLY_DATABASE_URL": url}
    return await asyncio.to_thread(CliRunner(env=environ).invoke, admin, arguments)


CHANGES = [("role", "--role", "admin"), ("deactivate",)]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
async def test_the_last_one_is_left_alone_unless_forced(
    database_url: str, admins: AdminStore, change: tuple[str, ...]
) -> None:
    email = await add(admins, "a")
    await add(admins, "b", "admin")
    before = await standings(admins)

    refused = await command(database_url, *change, "--email", email)
    assert refused.exit_code == 1
    assert f"{email} is the last active super_admin" in refused.stderr
    assert await standings(admins) == before

    forced = await command(database_url, *change, "--email", email, "--force")
    assert forced.exit_code == 0, forced.output
    assert await standings(admins) != before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[0])
async def test_one_of_two_may_go(
    database_url: str, admins: AdminStore, change: tuple[str, ...]
) -> None:
    email = await add(admins, "a")
    await add(admins, "b")
    assert (await command(database_url, *change, "--email", email)).exit_code == 0
    last = await command(database_url, *change, "--email", "b@example.org")
    assert last.exit_code == 1


async def test_one_who_is_inactive_does_not_count(admins: AdminStore) -> None:
    email, other = await add(admins, "a"), await add(admins, "b")
    assert await admins.change_activity(other, *WHO, is_active=False) is True
    assert await admins.change_activity(email, *WHO, is_active=False) == LastSuperAdmin()
    assert await admins.change_role(email, "admin", *WHO) == LastSuperAdmin()
    # Who may not act any more may lose the role.
    assert await admins.change_role(other, "admin", *WHO) == "super_admin"


async def test_setting_what_is_so_already_is_no_change_for_the_last_one(
    admins: AdminStore,
) -> None:
    email = await add(admins, "a")
    assert await admins.change_role(email, "super_admin", *WHO) == "super_admin"
    assert await admins.change_activity(email, *WHO, is_active=True) is True


@pytest.mark.parametrize("round_", range(10))
async def test_of_two_who_go_at_once_one_stays(
    database: Database, admins: AdminStore, round_: int
) -> None:
    emails = [await add(admins, "a"), await add(admins, "b"), await add(admins, "c", "admin")]
    first = admins.change_role(emails[round_ % 2], "admin", *WHO)
    second = admins.change_activity(emails[1 - round_ % 2], *WHO, is_active=False)
    outcomes = await asyncio.gather(first, second)
    assert sum(isinstance(outcome, LastSuperAdmin) for outcome in outcomes) == 1
    actives = [one for one in await standings(admins) if one[1:] == ("super_admin", True)]
    assert len(actives) == 1
