"""The two roles: the one that migrates, and the one that serves with no more than it needs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner

from db.database import Session
from db.migrate import check_database, migrate_database
from db.privileges import NEEDED, grants, lacking
from db.sql import load
from db.statements import Statement
from evently.cli import main
from tests.integration.test_black_hole import name_of

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# What only `evently migrate` and `evently archive` run.
FOR_THE_OWNER = {
    Statement.CREATE_MIGRATIONS_TABLE,
    Statement.NOTE_MIGRATION,
    *(one for one in Statement if "archiv" in one or "restore" in one),
    Statement.EXPIRE_CHANGES,
    Statement.FIND_CHANGE_BREAK,
    Statement.FIND_EXPIRED_CHANGES,
    Statement.FIND_HOLD_BREAKS,
    Statement.LIST_FINAL_EVENTS,
    Statement.FIND_FINAL_EVENTS,
    Statement.SEAL_EVENTS,
    Statement.UNSEAL_EVENTS,
}
# What a consumer of the change stream runs, as its own role.
FOR_CONSUMERS = {Statement.PAGE_SEARCH_DOCUMENTS}
# What the triggers of lists do, which no plan of a statement shows.
TRIGGERED = """
INSERT INTO list_changes (id, changed_in) VALUES ($1, pg_current_xact_id())
    ON CONFLICT (id) DO UPDATE SET changed_in = excluded.changed_in
"""
SERVED = [one for one in Statement if one not in FOR_THE_OWNER | FOR_CONSUMERS]
EACH = [(table, privilege) for table, privileges in NEEDED.items() for privilege in privileges]


@pytest.fixture
def role() -> str:
    """The name of a role that does not exist yet; the roles go with the server."""
    return f"role_{uuid4().hex}"


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[Connection]:
    """A superuser in a migrated database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def service(admin: Connection, database_url: str, role: str) -> AsyncIterator[Connection]:
    """A role with what is needed, and nothing else."""
    await admin.execute(f"CREATE ROLE {role} LOGIN")
    await admin.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
    for table, privileges in NEEDED.items():
        await admin.execute(f"GRANT {', '.join(privileges)} ON {table} TO {role}")
    connection = await asyncpg.connect(database_url, user=role)
    yield connection
    await connection.close()


async def refused(service: Connection) -> set[str]:
    """The statements that the role may not run; planning one with its checks changes nothing."""
    found = set()
    for name, sql in [*((one.name, load(one)) for one in SERVED), ("a trigger", TRIGGERED)]:
        try:
            await service.execute(f"EXPLAIN (GENERIC_PLAN) {sql}")
        except asyncpg.InsufficientPrivilegeError:
            found.add(name)
    return found


async def test_what_is_needed_is_enough_for_every_statement_and_nothing_is_idle(
    admin: Connection, service: Connection, role: str
) -> None:
    assert await refused(service) == set()
    assert not await lacking(Session(service))
    for table, privilege in EACH:
        await admin.execute(f"REVOKE {privilege} ON {table} FROM {role}")
        assert await refused(service), f"no statement needs {privilege} on {table}"
        (found,) = await lacking(Session(service))
        statement = f"GRANT {privilege} ON public.{table} TO {role};"
        said = f"{role} lacks {privilege} on public.{table}; as its owner run: {statement}"
        assert str(found) == said
        await admin.execute(statement)
    assert not await lacking(Session(service))


async def test_everything_that_is_lacking_is_said_at_once(
    admin: Connection, service: Connection, role: str
) -> None:
    await admin.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}")
    await admin.execute(f"REVOKE USAGE ON SCHEMA public FROM public, {role}")
    found = [str(one) for one in await lacking(Session(service))]
    assert len(found) == 1 + len(NEEDED)
    assert found[0].endswith(f"GRANT USAGE ON SCHEMA public TO {role};")
    assert found[2].endswith(f"GRANT SELECT, INSERT, UPDATE ON public.events TO {role};")
    for one in found:
        await admin.execute(one.partition("run: ")[2])
    assert not await lacking(Session(service))


@pytest.fixture
async def new(empty_database_url: str) -> AsyncIterator[Connection]:
    """A superuser in a database without tables."""
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


async def test_a_database_without_tables_lacks_migrations_and_no_privilege(
    new: Connection,
) -> None:
    assert not await lacking(Session(new))


@pytest.mark.parametrize("migrated", ["before", "after"])
async def test_the_printed_sql_lets_one_role_migrate_and_the_other_serve(
    new: Connection, empty_database_url: str, role: str, migrated: str
) -> None:
    owner, service = f"{role}_owner", f"{role}_service"
    as_owner, as_service = (
        empty_database_url.replace("postgres@", f"{name}@") for name in (owner, service)
    )
    if migrated == "before":
        await migrate_database(empty_database_url)

    database = name_of(empty_database_url)
    await new.execute(grants(owner=owner, service=service, database=database))

    if migrated == "after":
        assert await migrate_database(as_owner)
    await check_database(as_service)
    assert await new.fetchval("SELECT count(*) FROM pg_publication") == 1
    served = await asyncpg.connect(as_service)
    assert not await lacking(Session(served))
    assert await refused(served) == set()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await served.execute("CREATE TABLE mine ()")
    await served.close()


def test_the_documented_sql_is_what_is_printed() -> None:
    printed = CliRunner().invoke(main, ["migrate", "--print-grants"])
    assert printed.exit_code == 0
    assert f"```sql\n{printed.output}```\n" in Path("docs/operations.md").read_text()
    others = ["--owner", "o", "--service", "s", "--database", "d"]
    printed = CliRunner().invoke(main, ["migrate", "--print-grants", *others])
    assert printed.output == grants(owner="o", service="s", database="d")


def test_names_that_need_it_are_quoted() -> None:
    printed = grants(owner="Owner", service='the "service"', database="evently-2")
    assert 'CREATE ROLE "Owner" LOGIN;' in printed
    assert 'GRANT CONNECT ON DATABASE "evently-2" TO "the ""service""";' in printed
    assert "CREATE ROLE evently_2 LOGIN" in grants(owner="evently_2", service="s", database="d")
