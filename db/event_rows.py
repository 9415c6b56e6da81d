"""Turns rows of events into the domain's values, and values into rows.

Rule: no field is named here; the domain declares them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from sys import intern
from types import NoneType
from typing import Any, TypeAlias, get_args
from uuid import UUID

import asyncpg
import msgspec

from evently.domain.columns import columns_of, folded_name, types_of
from evently.domain.holdbacks import NO_HOLDBACKS, Holdbacks
from evently.domain.level import level
from evently.domain.state import EventDetails, EventState, Status
from evently.domain.term_versions import NOTHING_NOTED, TermVersions
from evently.domain.text import fold

_Convert: TypeAlias = Callable[[Any], Any]

# An event as lists show it, by the names of its fields; `venue_name` and `venue_city` beside them.
ListedEvent: TypeAlias = Mapping[str, Any]

# What the driver returns as it is kept.
_AS_READ = frozenset({str, bool, int, datetime, Decimal})


def _shared_uuid(given: UUID) -> str:
    return intern(str(given))


def holdbacks_of(given: list[Any]) -> Holdbacks:
    """The blocks in a column's value; most events have none, and share that."""
    return msgspec.convert(given, Holdbacks) if given else NO_HOLDBACKS


def _term_versions_of(given: dict[str, Any]) -> TermVersions:
    return msgspec.convert(given, TermVersions) if given else NOTHING_NOTED


_FROM_JSON: Mapping[Any, _Convert] = {Holdbacks: holdbacks_of, TermVersions: _term_versions_of}


def _conversions(cls: type) -> list[tuple[str, _Convert | None]]:
    """How each column's value becomes the field's; what many events share is one object for all."""
    found: list[tuple[str, _Convert | None]] = []
    types = types_of(cls)
    for name, column in columns_of(cls).items():
        convert: _Convert | None = None
        if column.sql == "uuid":
            convert = _shared_uuid if column.shared else str
        elif column.sql == "jsonb":
            convert = _FROM_JSON[types[name]]
        elif types[name] is Status:
            convert = Status
        elif column.shared:
            convert = intern
        kinds = {*(get_args(types[name]) or (types[name],))} - {NoneType}
        assert convert is not None or kinds <= _AS_READ, f"no conversion gives {name}"
        found.append((name, convert))
    return found


_DETAILS, _STATE = _conversions(EventDetails), _conversions(EventState)
_BY_NAME = dict((*_DETAILS, *_STATE))
_FOLDED = [
    name
    for cls in (EventDetails, EventState)
    for name, column in columns_of(cls).items()
    if column.folded
]


def state_of(row: asyncpg.Record) -> EventState:
    """An event's row as a state."""
    details = EventDetails(
        *[row[name] if convert is None else convert(row[name]) for name, convert in _DETAILS]
    )
    return EventState(
        details, *[row[name] if convert is None else convert(row[name]) for name, convert in _STATE]
    )


def listed(row: asyncpg.Record) -> ListedEvent:
    """A row of a list, with its `level`; its `status` is the one to answer."""
    found = dict(row)
    for name, value in found.items():
        convert = _BY_NAME.get(name)
        if convert is not None:
            found[name] = convert(value)
    found["level"] = level(
        found["status"],
        found["sales_start"],
        found["sales_end"] or found["start_datetime"],
        found["clock"],
        paused=found["paused"],
        free=found["available_seats"],
        held=found["held_seats"],
        capacity=found["total_capacity"],
    )
    return found


def values_of(state: EventState) -> dict[str, Any]:
    """The values of a state's columns, by name."""
    found = {name: getattr(state.details, name) for name, _ in _DETAILS}
    found.update((name, getattr(state, name)) for name, _ in _STATE)
    return with_folded(found)


def with_folded(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` of columns, with the folded form of each that has one."""
    return {
        **values,
        **{folded_name(name): fold(values[name]) for name in _FOLDED if name in values},
    }
