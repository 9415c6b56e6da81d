"""What the driver returns of a column becomes the field's value."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import pytest

from db.event_rows import _conversions
from evently.domain.columns import Column
from evently.domain.state import Status
from evently.domain.value import value

ID = UUID(int=7)


@value
class Everything:
    """A field of every type that a column may have."""

    key: Annotated[str, Column("uuid")]
    owner: Annotated[str, Column("uuid", shared=True)]
    text: Annotated[str, Column("text")]
    kind: Annotated[str, Column("text", shared=True)]
    status: Annotated[Status, Column("text")]
    number: Annotated[int, Column("integer")]
    price: Annotated[Decimal, Column("numeric")]
    at: Annotated[datetime, Column("timestamptz")]
    flag: Annotated[bool, Column("boolean")]


@value
class Strange:
    """A field of another type."""

    ratio: Annotated[float, Column("float8")]


def test_a_field_of_every_type_is_read() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    row = (ID, ID, "a", "b", "draft", 1, Decimal("1.50"), at, True)
    read = [
        given if convert is None else convert(given)
        for given, (_, convert) in zip(row, _conversions(Everything), strict=True)
    ]
    assert read == [str(ID), str(ID), "a", "b", Status.DRAFT, 1, Decimal("1.50"), at, True]
    assert type(read[4]) is Status


def test_a_type_that_nothing_reads_is_a_bug_that_names_the_field() -> None:
    with pytest.raises(AssertionError, match="no conversion gives ratio"):
        _conversions(Strange)
