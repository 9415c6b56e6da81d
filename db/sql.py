"""Reads the statements of `db/queries`.

Rules:

1. One statement to a file, named after the method that runs it.
2. Lists of columns are derived from the domain's one declaration of an event's fields: where a file
   says `{listed_columns}` or the like, the statement that is sent has the list of columns.
3. What several statements share word for word is a file of `queries/parts`, and is asked for in the
   same way.

`python -m db.sql NAME` prints a statement as it is sent.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

from db.ledger_rows import LEDGER_COLUMNS
from db.statements import Statement
from evently.domain.columns import columns_of, folded_name
from evently.domain.state import EventDetails, EventState

_FRAGMENT = re.compile(r"\{(\w+)(?::(\d+))?\}")
# The comment that a part begins with.
_HEADER = re.compile(r"\A(?:--[^\n]*\n)+")
_EVENT = {**columns_of(EventDetails), **columns_of(EventState)}
# The database fills these in when an event is created.
_FILLED_IN = frozenset({"created_at", "updated_at", "revenue", "fence"})
_FOLDED = {folded_name(name): column for name, column in _EVENT.items() if column.folded}
_GIVEN = {
    **{name: column for name, column in _EVENT.items() if name not in _FILLED_IN},
    **_FOLDED,
}


def _ledger_arrays(first: int) -> str:
    """The parameters of `unnest` for ledger rows, from number `first` on."""
    numbered = enumerate(LEDGER_COLUMNS.values(), first)
    return ", ".join(f"${number}::{column.sent_as}[]" for number, column in numbered)


def _edits() -> str:
    """What an admin may change takes its value in the JSON object `b.edit`, if it has one there."""
    # The actor decides on the status, which seat moves change too.
    editable = {
        name: column
        for name, column in _EVENT.items()
        if column.derived or (column.editable and name != "status")
    }
    return ",\n".join(
        f"{name} = coalesce((b.edit ->> '{name}')::{column.sql}, e.{name})"
        for name, column in {**editable, **_FOLDED}.items()
    )


# What a file may ask for by name; only `ledger_arrays` takes a number.
_FRAGMENTS: Mapping[str, Callable[[int], str]] = {
    "state_columns": lambda _: ", ".join(f"e.{name}" for name in _EVENT),
    "listed_columns": lambda _: ", ".join(
        f"e.{name}" for name, one in _EVENT.items() if one.listed and name != "status"
    ),
    "given_columns": lambda _: ", ".join(_GIVEN),
    "given_types": lambda _: ", ".join(f"{name} {one.sql}" for name, one in _GIVEN.items()),
    "edits": lambda _: _edits(),
    "ledger_columns": lambda _: ", ".join(LEDGER_COLUMNS),
    "ledger_values": lambda _: ", ".join(
        f"l.{name}" if one.sent_as == one.sql else f"l.{name}::{one.sql}"
        for name, one in LEDGER_COLUMNS.items()
    ),
    "ledger_arrays": _ledger_arrays,
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
    sys.stdout.write("".join(load(Statement(name)) for name in sys.argv[1:]))
