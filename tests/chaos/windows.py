"""Holds what was sold, and refused, against the times of sales. Pure: it only looks.

Rules, by the database's clock, which is this machine's:

1. No seat is sold, and none is held anew, while sales are paused, before they open or after they
   close. A row bears the time at which its statement began, which is at most when it was compared;
   an answer was heard after that. Both must fit.
2. A refusal for that reason was true of a version that was current while the request was open, at
   the time that it tells.
3. It is never final. What was done before it was sent is not refused so; what was on its way then,
   its client having given it up, may be done later, which is promised to nobody.
"""

from collections.abc import Iterable
from datetime import datetime

from tests.chaos.findings import LATE_TRY, OTHER
from tests.chaos.history import IN_DOUBT, Attempt, End, Wish
from tests.chaos.ledger import COMMIT_S, FOREIGN, EventLedger, Row
from tests.chaos.terms import Terms, Window
from tests.chaos.violated import Violated

SOLD_KINDS = frozenset({"reserved", "held"})
# Clocks are read apart, and the service's is ahead by as much as the fastest answer takes.
SLACK_S = 0.5


class WindowCheck:
    """The times of sales of one event."""

    def __init__(
        self, ledger: EventLedger, epoch_s: float, violated: Violated, excused: Violated
    ) -> None:
        self._ledger = ledger
        self._epoch_s = epoch_s
        self._violated = violated
        self._excused = excused

    def run(self, wishes: Iterable[Wish]) -> None:
        """Check all."""
        for row in self._ledger.rows:
            # Others write past the service.
            if row.kind in SOLD_KINDS and row.caller != FOREIGN:
                self._check_sold(row)
        for wish in wishes:
            self._check_wish(wish)

    def _check_sold(self, row: Row) -> None:
        window = self._ledger.terms_before(row).window
        if window.paused:
            self._violated(OTHER, f"sold while sales are paused: {row}", row.key)
        if window.end_s is not None and row.recorded_s >= window.end_s:
            self._violated(OTHER, f"sold after {window.end_s}: {row}", row.key)
        if window.start_s is not None and row.recorded_s < window.start_s - COMMIT_S:
            self._violated(OTHER, f"sold before {window.start_s}: {row}", row.key)

    def _check_wish(self, wish: Wish) -> None:
        row = self._ledger.row_of(wish)
        for attempt in wish.attempts:
            if attempt.end is End.CLOSED:
                if not self._is_true(wish, attempt):
                    what = f"a refusal that was never true: {attempt} of {wish}"
                    self._violated(OTHER, what, wish.key)
                if row is not None and _given_up_before(wish, row, attempt):
                    what = f"done by a try from before {attempt}: {row}"
                    if is_later(row, attempt, self._epoch_s):
                        self._excused(LATE_TRY, what, wish.key)
                    else:
                        self._violated(OTHER, what, wish.key)
            elif attempt.end is End.OK and row is not None and row.kind in SOLD_KINDS:
                opens_s = self._ledger.terms_before(row).window.start_s
                heard_s = attempt.heard_s + self._epoch_s
                if opens_s is not None and heard_s < opens_s:
                    what = f"told at {heard_s}, before {opens_s}: {attempt}, {row}"
                    self._violated(OTHER, what, wish.key)

    def _is_true(self, wish: Wish, attempt: Attempt) -> bool:
        told, now_s = attempt.told, datetime.fromisoformat(attempt.told["now"]).timestamp()
        window = Terms().after(told).window
        from_s = _since(wish, attempt) + self._epoch_s - SLACK_S
        to_s = attempt.heard_s + self._epoch_s + SLACK_S
        if window.open(now_s) or not from_s <= now_s <= to_s:
            return False
        return any(self._window(row) == window for row in self._ledger.current(from_s, to_s))

    def _window(self, row: Row) -> Window:
        return self._ledger.terms_at(row.version).window


def is_later(row: Row, refused: Attempt, epoch_s: float) -> bool:
    """Whether this version may have been decided on after a refusal, and not by the refused try."""
    began_s = row.recorded_s + SLACK_S
    return row.request_id != refused.request_id and began_s >= refused.sent_s + epoch_s


def _given_up_before(wish: Wish, row: Row, refused: Attempt) -> bool:
    """Whether the row is of a try that its client gave up before the refused one was sent."""
    return any(
        one.request_id == row.request_id and one.heard_s < refused.sent_s
        for one in wish.attempts
        if one.end in IN_DOUBT - {End.OPEN}
    )


def _since(wish: Wish, attempt: Attempt) -> float:
    """When the first try was sent that may still have been under way: its answer is shared."""
    return min(
        one.sent_s
        for one in wish.attempts
        if one.sent_s <= attempt.sent_s and (one.end in IN_DOUBT or one.heard_s >= attempt.sent_s)
    )
