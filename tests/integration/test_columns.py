"""The columns and row types that the code declares are those that the migrations made."""

import asyncpg
import pytest

from db.ledger_rows import LEDGER_ROW
from db.row_types import RowType, sent_as
from db.sql import ROW_TYPES
from evently.domain.columns import columns_of, folded_name
from evently.domain.state import EventDetails, EventState

COLUMNS = """
SELECT a.attname AS name, t.typname AS type, a.attnotnull AS required, a.atthasdef AS has_default
  FROM pg_attribute AS a
  JOIN pg_type AS t ON t.oid = a.atttypid
 WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""
ANOTHER_TYPE = "other columns: raise the number in the type's name; a migration makes it so:"
TYPE_NAMES = {"integer": "int4", "bigint": "int8", "boolean": "bool"}


async def _columns(dsn: str, relation: str) -> dict[str, asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return {row["name"]: row for row in await connection.fetch(COLUMNS, relation)}
    finally:
        await connection.close()


async def test_an_event_has_a_column_of_its_type_for_every_field_and_no_other(
    database_url: str,
) -> None:
    columns = await _columns(database_url, "events")
    declared = {**columns_of(EventDetails), **columns_of(EventState)}
    folded = {folded_name(name) for name, column in declared.items() if column.folded}
    assert {name: row["type"] for name, row in columns.items() if name not in folded} == {
        name: TYPE_NAMES.get(column.sql, column.sql) for name, column in declared.items()
    }
    assert {columns[name]["type"] for name in folded} == {"text"}
    # An edit clears a field only if that is declared.
    nullable = {name for name, column in declared.items() if column.nullable}
    assert {name for name, row in columns.items() if not row["required"]} == folded | nullable


async def test_the_ledger_has_the_columns_that_are_written_and_the_time_of_the_commit(
    database_url: str,
) -> None:
    columns = await _columns(database_url, "event_ledger")
    written = {name: TYPE_NAMES.get(sql, sql) for name, sql in LEDGER_ROW.columns.items()}
    assert {name: row["type"] for name, row in columns.items()} == {
        **written,
        "recorded_at": "timestamptz",
    }
    assert columns["recorded_at"]["has_default"]


@pytest.mark.parametrize("row_type", ROW_TYPES.values(), ids=ROW_TYPES)
async def test_the_database_has_a_type_of_rows_with_the_columns_that_are_sent_in_their_order(
    row_type: RowType, database_url: str
) -> None:
    columns = await _columns(database_url, row_type.name)
    assert {name: row["type"] for name, row in columns.items()} == {
        name: TYPE_NAMES.get(sent_as(sql), sent_as(sql)) for name, sql in row_type.columns.items()
    }, f"{ANOTHER_TYPE}\n{row_type.definition}"
    assert list(columns) == list(row_type.columns)
