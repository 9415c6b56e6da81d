"""The rows that statements take have a value for every column of their types."""

import json
from pathlib import Path

import pytest

from db.batch_rows import BATCH_ROW, batch_row
from db.ledger_rows import LEDGER_ROW, ledger_row
from db.refusal_rows import REFUSAL_ROW, refusal_rows
from db.row_types import RowType
from evently.domain.columns import columns_of
from evently.domain.state import EventState, Status
from tests.examples import EVENT, VENUE, after, batch, give_back, published, reserve, update

MIGRATIONS = sorted(Path("db/migrations").glob("*.sql"))


def test_a_batch_says_what_it_stands_on_what_it_sets_and_what_it_adds() -> None:
    base = after(published(), reserve(4))
    made = batch(base, ("k", reserve(2)), ("l", give_back(1)), refused=[("m", reserve(9))])

    assert dict(zip(BATCH_ROW.columns, batch_row(made), strict=True)) == {
        "event_id": EVENT,
        "base_version": 3,
        "base_fence": 0,
        "sells": True,
        "amends": False,
        "schedules": False,
        "changes": None,
        "status": Status.PUBLISHED,
        "version": 5,
        "terms_version": base.terms_version,
        "fence": 1,
        "edited_version": 2,
        "available_seats_delta": -1,
        "revenue_delta": "25.50",
        "held_seats_delta": 0,
    }


def test_a_batch_that_needs_room_names_its_venue_and_the_capacity() -> None:
    made = batch(published(), ("k", update(total_capacity=20)))

    row = dict(zip(BATCH_ROW.columns, batch_row(made), strict=True))

    assert json.loads(row["changes"]) == {
        "venue_id": VENUE,
        "total_capacity": 20,
        "term_versions": {"since": 1, "changed": [["status", 2], ["total_capacity", 3]]},
    }


def test_a_row_of_the_ledger_and_of_a_refusal_is_a_tuple_in_the_order_of_its_type() -> None:
    made = batch(published(), ("k", reserve(2)), refused=[("l", reserve(9))])

    noted = dict(zip(LEDGER_ROW.columns, ledger_row(EVENT, made.records[0]), strict=True))
    refused = dict(zip(REFUSAL_ROW.columns, refusal_rows(made)[0], strict=True))

    assert (noted["event_id"], noted["request_key"], noted["money_delta"]) == (EVENT, "k", "51.00")
    assert (refused["event_id"], refused["request_key"]) == (EVENT, "l")


def test_every_field_of_a_state_is_written_with_a_batch_or_an_edit() -> None:
    unwritten = {
        name
        for name, column in columns_of(EventState).items()
        if not (column.moved or column.editable or column.derived)
    }
    # Commit statements name the one, and only `evently archive` writes the other.
    assert unwritten == {"updated_at", "archived_version"}, "all else is declared"


def test_a_type_is_made_with_a_value_as_it_is_sent_and_read_as_it_is_stored() -> None:
    row_type = RowType("sale_row_1", {"seats": "integer", "money": "numeric"})

    assert (
        row_type.definition
        == "CREATE TYPE sale_row_1 AS (\n    seats integer,\n    money text\n);\n"
    )
    assert row_type.rows(3) == "unnest($3::sale_row_1[])"
    assert row_type.values("s") == {"seats": "s.seats", "money": "s.money::numeric"}


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_no_migration_alters_a_type_that_the_release_before_sends(file: Path) -> None:
    assert "ALTER TYPE" not in file.read_text().upper()
