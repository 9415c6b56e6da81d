"""How the fields of an event are stored and what a change of one means.

Rule: a field is declared once, with a Column in its annotation; statements, frames, ledger
entries and answers derive from that what they need to know of it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, get_type_hints

from evently.domain.value import value


@value
class Column:
    """A field of an event.

    `sql` is its PostgreSQL type. Admins may write it if it is `editable`. A change of a `term`
    makes a new offer, to which a buyer has to agree anew. A `shared` text is the same in many
    events. Lists show the `listed` fields. A `folded` text has a column beside it with the text as
    filters compare it, named by `folded_name`. A `derived` field follows from an admin's change and
    is written with it. Every batch writes the `moved` fields: it sets them to what they are after
    it, or adds what it changed. A `nullable` field may be None. The public is told nothing of a
    `private` one.
    """

    sql: str
    editable: bool = False
    term: bool = False
    shared: bool = False
    listed: bool = True
    folded: bool = False
    derived: bool = False
    moved: Literal["set", "added"] | None = None
    nullable: bool = False
    private: bool = False


@cache
def columns_of(cls: type) -> Mapping[str, Column]:
    """The columns of a class whose fields are annotated with one, in their order."""
    hints = get_type_hints(cls, include_extras=True)
    found = {}
    for name, hint in hints.items():
        for note in getattr(hint, "__metadata__", ()):
            if isinstance(note, Column):
                found[name] = note
    return found


@cache
def types_of(cls: type) -> Mapping[str, Any]:
    """The Python types of the same fields."""
    hints = get_type_hints(cls)
    return {name: hints[name] for name in columns_of(cls)}


def folded_name(name: str) -> str:
    """The column with the folded form of the text in column `name`."""
    return f"{name}_folded"
