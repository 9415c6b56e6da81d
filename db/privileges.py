"""What the service's role must be allowed, and the statements that allow it.

Rule: NEEDED is what the statements of `db/queries` and the triggers need and no more; a test takes
each privilege away and sees a statement fail.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import asyncpg

from db.database import Session
from db.statements import Statement
from evently.domain.value import value

SELECT, INSERT, UPDATE, DELETE = "SELECT", "INSERT", "UPDATE", "DELETE"

NEEDED = {
    "schema_migrations": (SELECT,),
    "events": (SELECT, INSERT, UPDATE),
    "event_ledger": (SELECT, INSERT),
    "event_holds": (SELECT, INSERT, UPDATE),
    "event_refusals": (SELECT, INSERT, DELETE),
    "venues": (SELECT, INSERT, UPDATE, DELETE),
    "creations": (SELECT, INSERT),
    "admins": (SELECT, INSERT, UPDATE),
    "refresh_families": (SELECT, INSERT, UPDATE, DELETE),
    "refresh_tokens": (SELECT, INSERT, UPDATE, DELETE),
    "auth_attempts": (SELECT, INSERT, UPDATE, DELETE),
    "admin_audit": (SELECT, INSERT),
    "change_feed": (SELECT, UPDATE),
    "event_changes": (SELECT, INSERT),
    # The triggers on events and venues write it, as whoever writes those.
    "list_changes": (SELECT, INSERT, UPDATE),
    "archived_ledgers": (SELECT,),
    "event_proofs": (SELECT, INSERT, UPDATE),
    "event_sales_kept": (SELECT, INSERT, UPDATE),
    "event_sales_by_day": (SELECT, INSERT, UPDATE),
}

_TWO_ROLES = """\
-- Run this once as a superuser, connected to {database}, before `evently migrate` or after it. An
-- administrator who is no superuser, as with most providers, needs the third statement too.
CREATE ROLE {owner} LOGIN;
CREATE ROLE {service} LOGIN;
-- GRANT {owner} TO CURRENT_USER;

-- The owner runs `evently migrate`. CREATE on the database is for the publication of changes.
GRANT CONNECT, CREATE ON DATABASE {database} TO {owner};
GRANT USAGE, CREATE ON SCHEMA public TO {owner};

-- The service reads and writes rows, in the tables that are there and in those of later migrations.
GRANT CONNECT ON DATABASE {database} TO {service};
GRANT USAGE ON SCHEMA public TO {service};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {service};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service};

-- Then give both a password, in psql: \\password {owner}
"""


@value
class Lacking:
    """What a role may not do and has to."""

    role: str
    privileges: str
    place: str

    def __str__(self) -> str:
        statement = f"GRANT {self.privileges} ON {self.place} TO {self.role};"
        return f"{self.role} lacks {self.privileges} on {self.place}; as its owner run: {statement}"


def grants(*, owner: str, service: str, database: str) -> str:
    """The SQL that makes the two roles and lets each do its part."""
    return _TWO_ROLES.format(
        owner=identifier(owner), service=identifier(service), database=identifier(database)
    )


async def lacking(session: Session) -> Sequence[Lacking]:
    """What the role of `session` may not do and has to. Raises the faults of the database."""
    wanted = [(table, each) for table, privileges in NEEDED.items() for each in privileges]
    rows = await session.fetch(
        Statement.LACKING_PRIVILEGES, [table for table, _ in wanted], [each for _, each in wanted]
    )
    return tuple(_each(rows))


def _each(rows: "Sequence[asyncpg.Record]") -> Iterator[Lacking]:
    for table, of_table in groupby(rows, lambda row: row["table"]):
        found = list(of_table)
        privileges = ", ".join(row["privilege"] for row in found)
        schema, role = identifier(found[0]["schema"]), identifier(found[0]["role"])
        place = f"SCHEMA {schema}" if table is None else f"{schema}.{identifier(table)}"
        yield Lacking(role, privileges, place)


def identifier(name: str) -> str:
    """`name` as SQL writes it, quoted where it has to be."""
    plain = name.isascii() and name.replace("_", "a").isalnum() and name[0] not in "0123456789"
    return name if plain and name == name.lower() else '"' + name.replace('"', '""') + '"'
