"""How the rows of an archive are divided among statements: so many in each and no more."""

from uuid import UUID

import pytest

from db.archive_rows import Sealed, ledger_spans

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def test_events_share_a_statement_up_to_its_bound() -> None:
    events = [Sealed(A, 4, 0), Sealed(B, 6, 0)]
    assert ledger_spans(events, 10) == [[(A, 0, 4), (B, 0, 6)]]
    assert ledger_spans(events, 9) == [[(A, 0, 4)], [(B, 0, 6)]]


def test_an_event_with_more_versions_than_that_is_divided() -> None:
    assert ledger_spans([Sealed(A, 10, 0)], 10) == [[(A, 0, 10)]]
    assert ledger_spans([Sealed(A, 11, 0)], 10) == [[(A, 0, 10)], [(A, 10, 11)]]


@pytest.mark.parametrize("rows_max", [1, 2, 3, 7, 100])
def test_every_version_is_in_one_piece(rows_max: int) -> None:
    events = [Sealed(A, 5, 0), Sealed(B, 1, 0), Sealed(C, 13, 0)]
    pieces = ledger_spans(events, rows_max)
    found = [
        (event_id, version)
        for spans in pieces
        for event_id, after, upto in spans
        for version in range(after + 1, upto + 1)
    ]
    assert found == [(one.event_id, n) for one in events for n in range(1, one.versions + 1)]
    assert all(sum(upto - after for _, after, upto in spans) <= rows_max for spans in pieces)


def test_no_event_makes_no_piece() -> None:
    assert ledger_spans([], 10) == []
