"""What is in an archive, and how its rows are divided among statements.

Rule: a piece has as many rows as a statement may have and no more, whether one event has them or
many.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, TypeAlias
from uuid import UUID

from evently.domain.value import value

# An event, and the versions, or ids of holds, after one and up to another.
Span: TypeAlias = tuple[UUID, Any, Any]


@value
class Place:
    """Which database this is, whether its role may archive, and whether nobody else does."""

    database: str
    migration: int
    this_month: date
    may_archive: bool
    role: str
    alone: bool


@value
class Month:
    """A month with events that can be archived, and how many versions these have."""

    month: date
    events: int
    versions: int


@value
class Archive:
    """An archive that was begun; `written` once its files were found right."""

    archive_id: UUID
    month: date
    name: str
    written: bool


@value
class Sealed:
    """An event in an archive, with how many versions and holds it has."""

    event_id: UUID
    versions: int
    holds: int


def ledger_spans(events: Sequence[Sealed], rows_max: int) -> list[list[Span]]:
    """The versions of the events, in pieces of so many and no more."""
    pieces: list[tuple[Span, int]] = []
    for one in events:
        for after in range(0, one.versions, rows_max):
            upto = min(after + rows_max, one.versions)
            pieces.append(((one.event_id, after, upto), upto - after))
    return list(together(pieces, rows_max))


def together(pieces: Sequence[tuple[Span, int]], rows_max: int) -> Iterator[list[Span]]:
    """As many pieces at a time as come to `rows_max` rows together."""
    taken: list[Span] = []
    size = 0
    for span, rows in pieces:
        if taken and size + rows > rows_max:
            yield taken
            taken, size = [], 0
        taken.append(span)
        size += rows
    if taken:
        yield taken
