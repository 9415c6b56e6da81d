"""What each command does to a hold and to its event, and that the numbers add up whatever comes."""

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evently.domain.commands import (
    Cancel,
    ChangeHold,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.event import decide
from evently.domain.holds import EXPIRED_MAX, LIFE_MAX_S, Hold, Holds, HoldStatus, hold_id_of
from evently.domain.notices import ChangeKind
from evently.domain.outcomes import (
    Accepted,
    CapacityBelowSold,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    LedgerKind,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    Outcome,
    SeatsExceedCapacity,
    StaleVersion,
    Unchanged,
)
from evently.domain.state import ON_SALE, EventState, Status
from tests.examples import (
    ADMIN,
    EVENT,
    NOW,
    after,
    cancel,
    draft,
    give_back,
    hold,
    hold_id,
    published,
    reserve,
    update,
)

H = hold_id()
STARTED = NOW + timedelta(days=9)
ENDED = NOW + timedelta(days=10)
EXPIRED = NOW + timedelta(seconds=900)
IN_TIME = EXPIRED - timedelta(microseconds=1)


class Desk:
    """An event with the rows of its holds; `do` carries a command out, `refuse` must not."""

    def __init__(self, state: EventState | None = None, *commands: Command) -> None:
        self.rows: dict[str, Hold | None] = {}
        self.state = published() if state is None else state
        self.do(*commands)

    def decide(self, command: Command, now: datetime = NOW) -> Outcome:
        return decide(self.state, command, now, self.rows)

    def do(self, *commands: Command, now: datetime = NOW) -> "Desk":
        self.state = after(self.state, *commands, now=now, holds=self.rows)
        return self

    def refuse(self, command: Command, now: datetime = NOW) -> Outcome:
        before, rows = asdict(self.state), dict(self.rows)
        outcome = self.decide(command, now)
        assert not isinstance(outcome, Accepted), outcome
        assert (asdict(self.state), self.rows) == (before, rows)
        return outcome

    def unchanged(self, command: Command, now: datetime = NOW) -> Hold:
        outcome = self.refuse(command, now)
        assert isinstance(outcome, Unchanged), outcome
        assert (outcome.version, outcome.available_seats) == (
            self.state.version,
            self.state.available_seats,
        )
        assert outcome.hold is not None
        return outcome.hold

    def row(self, name: str = "h") -> Hold:
        found = self.rows[hold_id(name)]
        assert found is not None
        return found

    @property
    def seats(self) -> tuple[int, int, int]:
        """Free, held and sold."""
        return self.state.available_seats, self.state.held_seats, self.state.sold


# Whatever comes

names = st.sampled_from("abc")
ids = names.map(hold_id)
amounts = st.none() | st.decimals(0, Decimal("999.99"), places=2)
commands = st.one_of(
    st.builds(PlaceHold, ids, st.integers(1, 6), st.integers(30, 7200), st.none(), st.none()),
    st.builds(ChangeHold, ids, st.none() | st.integers(1, 6), st.none() | st.integers(30, 7200)),
    st.builds(Confirm, ids, amounts, st.booleans()),
    st.builds(Release, ids),
    st.just(Expire()),
    st.builds(Reserve, st.integers(1, 6), st.none()),
    st.builds(Return, st.integers(1, 6), st.none()),
    st.builds(Cancel, st.just(ADMIN), st.just(True), st.just(0)),
    st.builds(
        Update,
        st.just(ADMIN),
        st.just(True),
        st.just(0),
        st.fixed_dictionaries(
            {},
            optional={
                "total_capacity": st.integers(1, 12),
                "base_price": st.decimals(0, 99, places=2),
            },
        ),
        st.just(40),
    ),
)
passed = st.sampled_from((0, 0, 1, 60, 1800, 7200, 86400 * 9))


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(commands, passed), max_size=40))
def test_the_numbers_add_up_whatever_comes_and_no_hold_ends_twice(
    capacity: int, steps: list[tuple[Command, int]]
) -> None:
    desk, now = Desk(published(capacity)), NOW
    for command, seconds in steps:
        now += timedelta(seconds=seconds)
        if isinstance(command, Update | Cancel):
            command = replace(command, version=desk.state.version)  # noqa: PLW2901
        if isinstance(command, PlaceHold) and command.hold_id in desk.rows:
            continue  # Its key is taken.
        before, rows = desk.state, dict(desk.rows)
        outcome = desk.decide(command, now)
        assert (desk.state, desk.rows) == (before, rows)
        assert desk.decide(command, now) == outcome
        if isinstance(outcome, Accepted):
            desk.do(command, now=now)
            _check_step(before, rows, outcome)
        held = [row for row in desk.rows.values() if row and row.status is HoldStatus.HELD]
        assert desk.state.held_seats == sum(row.quantity for row in held)
        assert min(desk.seats) >= 0
        assert sum(desk.seats) == desk.state.total_capacity
        if desk.state.status in ON_SALE:
            assert (desk.state.status is Status.SOLD_OUT) == (desk.seats[:2] == (0, 0))


def _check_step(before: EventState, rows: Holds, step: Accepted) -> None:
    state, entry = step.state, step.entry
    assert state.version == before.version + 1 == entry.version
    moved = entry.seat_delta + entry.capacity_delta
    assert state.available_seats == before.available_seats + moved == entry.available_seats
    assert state.held_seats == before.held_seats + entry.held_delta
    assert state.revenue == before.revenue + entry.money_delta >= 0
    for row in entry.holds:
        was = rows.get(row.hold_id)
        assert row.held_at < row.expires_at <= row.latest_expires_at
        if was is None:
            assert (entry.kind, row.status) == (LedgerKind.HELD, HoldStatus.HELD)
        elif was.status is not HoldStatus.HELD:
            assert was.status is HoldStatus.EXPIRED
            assert row.status is HoldStatus.CONFIRMED
            assert row.retaken


# Placed


def test_a_hold_keeps_its_seats_its_price_and_its_time() -> None:
    desk = Desk(None, hold(3))

    assert desk.seats == (7, 3, 0)
    assert desk.state.revenue == 0
    row = desk.row()
    assert (row.quantity, row.unit_price, row.status) == (3, Decimal("25.50"), HoldStatus.HELD)
    assert (row.held_at, row.expires_at, row.closed_at) == (NOW, EXPIRED, None)


def test_a_hold_has_the_id_that_event_caller_and_key_give() -> None:
    one = hold_id_of(EVENT, "key:booking", "k")

    assert one == hold_id_of(EVENT, "key:booking", "k")
    others = {hold_id_of(EVENT, "key:booking", "l"), hold_id_of(EVENT, "key:resale", "k")}
    assert one not in others
    assert one[14] == "8"


def test_while_the_last_seats_are_held_the_event_is_not_sold_out() -> None:
    desk = Desk(published(2), hold(1), reserve(1))
    assert (desk.seats, desk.state.status) == ((0, 1, 1), Status.PUBLISHED)
    assert desk.do(Confirm(H)).state.status is Status.SOLD_OUT


@pytest.mark.parametrize(
    ("state", "now", "refusal"),
    [
        (draft(), NOW, NotFound()),
        (published(), STARTED, NotModifiable(Status.PUBLISHED, True)),
        (after(published(), cancel()), NOW, NotModifiable(Status.CANCELLED, False)),
    ],
)
def test_no_seats_are_held_of_an_event_that_sells_none(
    state: EventState, now: datetime, refusal: Outcome
) -> None:
    assert Desk(state).refuse(hold(1), now) == refusal


def test_a_hold_is_one_booking_and_has_no_more_seats_than_one_may() -> None:
    desk = Desk(published(20))

    assert desk.refuse(hold(11)) == MaxTicketsExceeded(11, 10)
    assert desk.do(hold(10)).seats == (10, 10, 0)
    assert desk.refuse(ChangeHold(H, 11, None)) == MaxTicketsExceeded(11, 10)


def test_one_seat_more_than_is_free_is_not_held() -> None:
    desk = Desk(published(5), hold(2, "other"))

    assert desk.refuse(hold(4)) == InsufficientSeats(4, 3, 2)
    assert desk.refuse(reserve(4)) == InsufficientSeats(4, 3, 2)
    assert desk.do(hold(3)).seats == (0, 5, 0)


def test_a_hold_at_a_stale_version_is_refused_unless_it_retries() -> None:
    desk = Desk(None, reserve(1))

    assert isinstance(desk.refuse(hold(1, version=2)), StaleVersion)
    outcome = desk.decide(hold(1, version=2, retry=True))
    assert isinstance(outcome, Accepted)
    assert outcome.retried


def test_of_several_reasons_the_first_of_the_list_is_told() -> None:
    desk = Desk(published(3))
    dearer = update(2, base_price=Decimal(99), max_tickets_per_booking=4)

    assert isinstance(desk.refuse(hold(11, version=1), STARTED), NotModifiable)
    assert isinstance(desk.refuse(hold(11, version=1)), MaxTicketsExceeded)
    assert isinstance(desk.refuse(hold(4, version=1)), InsufficientSeats)
    assert isinstance(desk.refuse(hold(3, version=1)), StaleVersion)
    assert isinstance(Desk(draft()).refuse(Confirm(H)), NotFound)
    assert isinstance(desk.refuse(Confirm(H)), HoldNotFound)
    desk = Desk(published(3), dearer, hold(1), update(4, base_price=Decimal(50)))
    assert isinstance(desk.refuse(ChangeHold(H, 5, None), EXPIRED), MaxTicketsExceeded)
    assert isinstance(desk.refuse(ChangeHold(H, 4, None), EXPIRED), HoldNotActive)
    assert isinstance(desk.refuse(ChangeHold(H, 4, None)), InsufficientSeats)
    assert isinstance(desk.refuse(ChangeHold(H, 3, None)), HoldPriceChanged)


# Changed


def test_a_hold_gives_back_what_it_has_too_many_and_takes_what_it_has_too_few() -> None:
    desk = Desk(None, hold(4))

    assert desk.do(ChangeHold(H, 1, None)).seats == (9, 1, 0)
    assert desk.do(ChangeHold(H, 6, None)).seats == (4, 6, 0)
    assert desk.row().expires_at == EXPIRED


def test_more_time_counts_from_now_and_never_past_the_longest_life() -> None:
    desk, now = Desk(None, hold(1)), NOW
    for _ in range(180):
        now += timedelta(minutes=1)
        outcome = desk.decide(ChangeHold(H, None, 900), now)
        if isinstance(outcome, Accepted):
            desk.do(ChangeHold(H, None, 900), now=now)
        assert desk.row().expires_at <= NOW + timedelta(seconds=LIFE_MAX_S)

    assert desk.row().expires_at == NOW + timedelta(seconds=LIFE_MAX_S)
    assert desk.refuse(ChangeHold(H, None, 900), now) == HoldNotActive(H, HoldStatus.EXPIRED)


def test_a_change_to_what_it_is_already_changes_nothing() -> None:
    desk = Desk(None, hold(2))

    assert desk.unchanged(ChangeHold(H, 2, None)) == desk.row()
    assert desk.unchanged(ChangeHold(H, None, 900)) == desk.row()


def test_a_hold_grows_at_its_own_price_only_and_shrinks_at_any() -> None:
    desk = Desk(None, hold(2), update(3, base_price=Decimal(30)))

    refusal = HoldPriceChanged(H, Decimal("25.50"), Decimal(30))
    assert desk.refuse(ChangeHold(H, 3, None)) == refusal
    assert desk.do(ChangeHold(H, 1, None)).seats == (9, 1, 0)


def test_after_the_start_a_hold_does_not_grow_and_may_still_have_more_time() -> None:
    placed = STARTED - timedelta(minutes=5)
    desk = Desk().do(hold(2), now=placed)

    assert isinstance(desk.refuse(ChangeHold(H, 3, None), STARTED), NotModifiable)
    desk.do(ChangeHold(H, 1, 900), now=STARTED)
    assert desk.row().expires_at == STARTED + timedelta(seconds=900)


# Confirmed


def test_confirmed_seats_are_sold_for_what_they_cost_when_they_were_held() -> None:
    desk = Desk(None, hold(2), update(3, base_price=Decimal(30)), Confirm(H))

    assert desk.seats == (8, 0, 2)
    assert desk.state.revenue == Decimal("51.00")
    row = desk.row()
    assert (row.status, row.amount, row.retaken) == (HoldStatus.CONFIRMED, Decimal("51.00"), False)
    assert after(desk.state, give_back(2)).revenue == 0


def test_an_amount_is_the_money_of_the_whole_hold() -> None:
    assert Desk(None, hold(3), Confirm(H, Decimal("10.01"))).state.revenue == Decimal("10.01")


@pytest.mark.parametrize("now", [NOW, IN_TIME])
def test_a_held_one_is_confirmed_until_it_expires(now: datetime) -> None:
    desk = Desk(None, hold(2)).do(Confirm(H, None, False), now=now)
    assert desk.seats == (8, 0, 2)


def test_a_held_one_is_confirmed_after_the_event_has_begun() -> None:
    placed = STARTED - timedelta(minutes=5)
    assert Desk().do(hold(2), now=placed).do(Confirm(H), now=STARTED).seats == (8, 0, 2)


def test_confirmed_twice_is_one_sale_unless_another_amount_is_named() -> None:
    desk = Desk(None, hold(2), Confirm(H))

    for again in (Confirm(H), Confirm(H, Decimal("51.00")), Confirm(H, None, False)):
        assert desk.unchanged(again) == desk.row()
    refusal = HoldNotActive(H, HoldStatus.CONFIRMED)
    assert desk.refuse(Confirm(H, Decimal(52))) == refusal


def test_a_late_confirm_sells_the_seats_that_nobody_has_written_off() -> None:
    desk = Desk(published(2), hold(2)).do(Confirm(H), now=EXPIRED)

    assert (desk.seats, desk.row().retaken) == ((0, 0, 2), True)
    assert desk.state.status is Status.SOLD_OUT


def test_a_late_confirm_takes_free_seats_again_and_refuses_when_they_are_gone() -> None:
    desk = Desk(published(2), hold(2)).do(Expire(), now=EXPIRED)
    assert desk.seats == (2, 0, 0)

    taken = Desk(desk.state)
    taken.rows = dict(desk.rows)
    taken.do(Confirm(H), now=EXPIRED)
    assert (taken.seats, taken.row().retaken) == ((0, 0, 2), True)
    assert taken.state.revenue == Decimal("51.00")
    desk.do(reserve(1), now=EXPIRED)
    assert desk.refuse(Confirm(H), EXPIRED) == HoldExpired(H, EXPIRED, 2, 1)


@pytest.mark.parametrize("written", [False, True])
def test_a_late_confirm_that_must_not_retake_is_refused(written: bool) -> None:
    desk = Desk(None, hold(2))
    if written:
        desk.do(Expire(), now=EXPIRED)
    available = desk.state.available_seats

    refusal = HoldExpired(H, EXPIRED, 2, available)
    assert desk.refuse(Confirm(H, None, False), EXPIRED) == refusal


def test_nothing_is_retaken_of_an_event_that_is_over() -> None:
    desk = Desk().do(hold(1, duration_s=60), now=STARTED - timedelta(minutes=5))

    assert isinstance(desk.refuse(Confirm(H), ENDED), HoldExpired)
    desk.do(Confirm(H), now=ENDED - timedelta(seconds=1))


# Released and expired


def test_released_seats_are_free_and_a_release_is_done_once() -> None:
    desk = Desk(None, hold(3), Release(H))

    assert desk.seats == (10, 0, 0)
    assert desk.unchanged(Release(H)) == desk.row()
    assert desk.refuse(Confirm(H)) == HoldNotActive(H, HoldStatus.RELEASED)
    assert desk.refuse(ChangeHold(H, 1, None)) == HoldNotActive(H, HoldStatus.RELEASED)


def test_what_was_confirmed_is_not_released() -> None:
    desk = Desk(None, hold(3), Confirm(H))
    assert desk.refuse(Release(H)) == HoldNotActive(H, HoldStatus.CONFIRMED)


def test_what_has_expired_reads_so_before_it_is_written() -> None:
    desk = Desk(None, hold(3))

    told = desk.unchanged(Release(H), EXPIRED)
    assert (told.status, told.closed_at) == (HoldStatus.EXPIRED, EXPIRED)
    assert desk.row().status is HoldStatus.HELD


def test_an_expiry_frees_what_is_due_in_one_version_and_nothing_else() -> None:
    desk = Desk(None, hold(1, "a"), hold(2, "b"), hold(3, "c", duration_s=901))
    before = desk.state.version

    assert isinstance(desk.refuse(Expire(), IN_TIME), Unchanged)
    desk.do(Expire(), now=EXPIRED)

    assert (desk.seats, desk.state.version) == ((7, 3, 0), before + 1)
    assert desk.row("a").status is desk.row("b").status is HoldStatus.EXPIRED
    assert isinstance(desk.refuse(Expire(), EXPIRED), Unchanged)


def test_whoever_placed_holds_is_told_which_have_expired() -> None:
    desk = Desk(None, hold(1, "a"), hold(2, "b"), Release(hold_id("b")))
    outcome = desk.decide(Expire(), EXPIRED)
    assert isinstance(outcome, Accepted)
    notice = outcome.entry.notice
    assert notice is not None
    assert notice.kinds == (ChangeKind.HOLDS_EXPIRED,)
    assert notice.data == {
        "holds": [{"hold_id": hold_id("a"), "reference": "booking", "quantity": 1}]
    }


@pytest.mark.parametrize("extra", [0, 1])
def test_one_version_expires_so_many_and_no_more(extra: int) -> None:
    count = EXPIRED_MAX + extra
    desk = Desk(published(1000), *(hold(1, str(n)) for n in range(count)))

    desk.do(Expire(), now=EXPIRED)

    assert desk.state.held_seats == extra


def test_a_cancelled_event_confirms_nothing_and_releases_and_expires_all() -> None:
    desk = Desk(None, hold(1, "a"), hold(2, "b"), cancel(4))
    gone = NotModifiable(Status.CANCELLED, False)

    assert desk.refuse(Confirm(hold_id("a"))) == gone
    assert desk.refuse(ChangeHold(hold_id("a"), None, 60)) == gone
    desk.do(Release(hold_id("a"))).do(Expire(), now=EXPIRED)
    assert (desk.seats, desk.state.status) == ((10, 0, 0), Status.CANCELLED)


# What else knows seats


def test_held_seats_are_not_returned() -> None:
    desk = Desk(None, hold(10))
    assert desk.refuse(give_back(1)) == SeatsExceedCapacity(1, 0)


def test_capacity_is_not_cut_below_what_is_sold_and_held() -> None:
    desk = Desk(None, hold(3), reserve(2))

    assert desk.refuse(update(4, total_capacity=4)) == CapacityBelowSold(4, 2, 3)
    assert desk.do(update(4, total_capacity=5)).seats == (0, 3, 2)
    assert desk.state.status is Status.PUBLISHED


def test_a_hold_makes_no_new_offer() -> None:
    desk = Desk(None, hold(3), Confirm(H))
    accepted: Any = desk.decide(reserve(1, 2, retry=True))
    assert accepted.retried
