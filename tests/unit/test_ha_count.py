"""What `make ha` counts: nothing where all is well, and each broken promise under its name."""

from dataclasses import astuple
from typing import Any

import pytest

from tests.ha.buyers import Buyers, Move, count


def row(key: str, version: int = 2, seat_delta: int = -1) -> dict[str, Any]:
    return {"request_key": key, "version": version, "seat_delta": seat_delta}


OK = Move("e", "k", -1, {2})
REFUSED = Move("e", "k", -1, refused=True)


@pytest.mark.parametrize(
    ("move", "rows", "counted"),
    [
        (OK, [row("k")], (1, 0, 0, 0, 0)),
        (REFUSED, [row("other")], (1, 0, 0, 0, 0)),
        (OK, [], (1, 1, 0, 0, 0)),
        (OK, [row("k", version=3)], (1, 1, 0, 0, 0)),
        (OK, [row("k", seat_delta=1)], (1, 1, 0, 0, 0)),
        (OK, [row("k", 3), row("k", 2)], (1, 0, 1, 0, 0)),
        (Move("e", "k", -1, {2, 3}), [row("k")], (1, 0, 1, 0, 0)),
        (REFUSED, [row("k")], (1, 0, 0, 1, 0)),
        (Move("e", "k", -1), [], (1, 0, 0, 0, 1)),
        (Move("e", "k", -1), [row("k")], (1, 0, 0, 0, 1)),
    ],
)
def test_each_broken_promise_is_counted(
    move: Move, rows: list[dict[str, Any]], counted: tuple[int, ...]
) -> None:
    found = count([move], rows)
    assert astuple(found) == counted
    assert found.wrong == sum(counted[1:])


def test_a_silence_is_measured_from_the_fault_to_the_last_ok() -> None:
    buyers = Buyers([], "", [], [])
    buyers._oks_s = [9.0, 10.5, 14.0, 14.5]
    assert buyers.silence_s(10.0) == 3.5
    assert buyers.silence_s(14.0) == 0.5
    assert buyers.oks_since(10.5) == 3
