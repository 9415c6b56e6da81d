"""Reads the statements of `db/queries`.

Rules:

1. One statement to a file, named after the method that runs it.
2. Lists of columns are derived from the domain's one declaration of an event's fields: where a file
   says `{listed_columns}` or the like, the statement that is sent has the list of columns.
3. Rows are given as arrays of a composite type; `{ledger_rows:2}` are those of the second argument.
4. What several statements share word for word is a file of `queries/parts`, and is asked for in the
   same way.

`python -m db.sql NAME` prints a statement as it is sent, or a type of rows as a migration makes it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from db.batch_rows import BATCH_ROW, delta_name
from db.change_rows import CHANGE_ROW
from db.hold_rows import HOLD_ROW
from db.ledger_rows import LEDGER_ROW
from db.refusal_rows import REFUSAL_ROW
from db.row_types import RowType
from db.statements import Statement
from evently.domain.columns import Column, columns_of, folded_name
from evently.domain.state import ADDED, SET, EventDetails, EventState

_FRAGMENT = re.compile(r"\{(\w+)(?::(\d+))?\}")
# Between the assignments of an update.
_LINES = ",\n           "
# The comment that a part begins with.
_HEADER = re.compile(r"\A(?:--[^\n]*\n)+")
_EVENT = {**columns_of(EventDetails), **columns_of(EventState)}
# The database fills these in when an event is created.
_FILLED_IN = frozenset({"created_at", "updated_at", "fence", "archived_version"})
_FOLDED = {folded_name(name): column for name, column in _EVENT.items() if column.folded}
_GIVEN = {
    **{name: column for name, column in _EVENT.items() if name not in _FILLED_IN},
    **_FOLDED,
}
ROW_TYPES: Mapping[str, RowType] = {
    one.name: one for one in (BATCH_ROW, LEDGER_ROW, HOLD_ROW, REFUSAL_ROW, CHANGE_ROW)
}


def _moves() -> str:
    """What every batch writes, from a row `b` of its own."""
    given = BATCH_ROW.values("b")
    return _LINES.join(
        [
            *(f"{name} = {given[name]}" for name in SET),
            *(f"{name} = e.{name} + {given[delta_name(name)]}" for name in ADDED),
        ]
    )


def _edits() -> str:
    """What an admin may change takes its value in the JSON object `b.edit`, if it has one there.

    A null there clears a field that may be None.
    """
    # What every batch writes comes from its row: the status, which seat moves change too.
    editable = {
        name: column
        for name, column in _EVENT.items()
        if column.derived or (column.editable and column.moved is None)
    }
    return _LINES.join(
        f"{name} = {_edit(name, column)}" for name, column in {**editable, **_FOLDED}.items()
    )


def _edit(name: str, column: Column) -> str:
    given = f"(b.edit ->> '{name}')::{column.sql}"
    if column.nullable:
        return f"CASE WHEN b.edit ? '{name}' THEN {given} ELSE e.{name} END"
    return f"coalesce({given}, e.{name})"


# What a file may ask for by name; only rows take a number.
_FRAGMENTS: Mapping[str, Callable[[int], str]] = {
    "state_columns": lambda _: ", ".join(f"e.{name}" for name in _EVENT),
    "listed_columns": lambda _: ", ".join(
        f"e.{name}" for name, one in _EVENT.items() if one.listed and name != "status"
    ),
    "given_columns": lambda _: ", ".join(_GIVEN),
    "given_types": lambda _: ", ".join(f"{name} {one.sql}" for name, one in _GIVEN.items()),
    "moves": lambda _: _moves(),
    "edits": lambda _: _edits(),
    "ledger_columns": lambda _: ", ".join(LEDGER_ROW.columns),
    "ledger_values": lambda _: ", ".join(LEDGER_ROW.values("l").values()),
    "batch_rows": BATCH_ROW.rows,
    "ledger_rows": LEDGER_ROW.rows,
    "refusal_rows": REFUSAL_ROW.rows,
    "change_rows": CHANGE_ROW.rows,
    "hold_columns": lambda _: ", ".join(HOLD_ROW.columns),
    "hold_values": lambda _: ", ".join(HOLD_ROW.values("h").values()),
    "hold_changes": lambda _: ", ".join(f"{name} = EXCLUDED.{name}" for name in HOLD_ROW.columns),
    "hold_rows": HOLD_ROW.rows,
}


@cache
def load(statement: Statement) -> str:
    """The text of a statement, as it is sent."""
    return _filled(_read(f"{statement}.sql"))


def _read(path: str) -> str:
    return files("db").joinpath("queries", path).read_text(encoding="utf-8")


def _filled(text: str) -> str:
    return _FRAGMENT.sub(_content, text)


def _content(found: re.Match[str]) -> str:
    name, first = found.groups()
    if name in _FRAGMENTS:
        return _FRAGMENTS[name](int(first or 0))
    return _filled(_HEADER.sub("", _read(f"parts/{name}.sql"))).strip()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        row_type = ROW_TYPES.get(name)
        sys.stdout.write(row_type.definition if row_type else load(Statement(name)))
