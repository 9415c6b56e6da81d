"""The databases that tests are lent: as good as new, or not lent again."""

import asyncpg
import pytest

from evently.embedded import EmbeddedPostgres
from tests.databases import GROWN_BYTES_MAX, Databases

VENUE = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
VALUES (gen_random_uuid(), 'Hall', '1 Street', 'Oslo', 'NO', 100, gen_random_uuid())
"""
SETTING = """
DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET lock_timeout = 1', current_database());
END $$
"""
AUDIT = """
INSERT INTO admin_audit (action, caller, request_id, details)
VALUES ('venue_created', 'test', 'r-1', '{}')
"""


@pytest.fixture
def lender(postgres: EmbeddedPostgres, template: str) -> Databases:
    return Databases(postgres, template)


def test_one_that_was_only_written_to_is_emptied_and_lent_again(
    lender: Databases, postgres: EmbeddedPostgres
) -> None:
    name = lender.take()
    postgres.psql(VENUE, name)
    postgres.psql(AUDIT, name)

    lender.give_back(name)

    assert lender.take() == name
    assert postgres.psql("SELECT count(*) FROM venues", name).strip() == "0"
    assert postgres.psql("SELECT nextval('admin_audit_audit_id_seq')", name).strip() == "1"
    assert postgres.psql("SELECT count(*) > 0 FROM schema_migrations", name).strip() == "t"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE events DROP CONSTRAINT events_capacity_positive",
        "DROP INDEX events_by_start",
        "GRANT SELECT ON admins TO PUBLIC",
        "DELETE FROM schema_migrations WHERE number = 1",
        SETTING,
        f"CREATE TABLE t AS SELECT repeat('x', 99) FROM generate_series(1, {GROWN_BYTES_MAX} / 99)",
    ],
)
def test_one_that_was_changed_is_not_lent_again(
    lender: Databases, postgres: EmbeddedPostgres, change: str
) -> None:
    name = lender.take()
    postgres.psql(change, name)

    lender.give_back(name)

    assert name not in lender.free


async def test_who_is_still_connected_is_sent_away(
    lender: Databases, postgres: EmbeddedPostgres
) -> None:
    name = lender.take()
    left = await asyncpg.connect(postgres.dsn(name))
    await left.execute("BEGIN; LOCK TABLE events")

    lender.give_back(name)

    assert lender.take() == name
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.fetch("SELECT 1")
    await left.close()
