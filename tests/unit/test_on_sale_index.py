"""The index of events on sale, compared with a plain list that is filtered and sorted each time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.on_sale_index import LONG, OnSale, OnSaleFilter, OnSaleIndex

START = datetime(2030, 1, 1, tzinfo=UTC)
EVENTS = 12


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def on_sale(
    number: int, starts: float = 0, lasts: float = 2, kind: str = "opera", city: str = "oslo"
) -> OnSale:
    return OnSale(at(starts), str(UUID(int=number)), at(starts + lasts), kind, city)


def matching(events: dict[str, OnSale], wanted: OnSaleFilter) -> list[str]:
    """What the index must find, in order."""
    return [
        event.event_id
        for event in sorted(events.values())
        if (wanted.event_type is None or event.event_type == wanted.event_type)
        and (wanted.city is None or event.city == wanted.city)
        and (wanted.on_from is None or event.ends > wanted.on_from)
        and (wanted.on_before is None or event.starts < wanted.on_before)
        and (wanted.ids is None or event.event_id in wanted.ids)
    ]


kinds, cities = st.sampled_from(["opera", "sport"]), st.sampled_from(["oslo", "bergen", "ås"])
hours = st.integers(0, 20)
# From half a second to ten years.
lengths = st.sampled_from([0.5 / 3600, 1, 2, 2.0**10 / 3600, 9, 90, 87_660])
puts = st.builds(on_sale, st.integers(1, EVENTS), hours, lengths, kinds, cities)
drops = st.integers(1, EVENTS)
expiries = hours.map(at)
filters = st.builds(
    OnSaleFilter,
    st.none() | kinds,
    st.none() | cities,
    st.none() | hours.map(at),
    st.none() | hours.map(at),
    st.none()
    | st.sets(st.integers(1, EVENTS + 1)).map(
        lambda numbers: tuple(str(UUID(int=number)) for number in numbers)
    ),
)


@given(
    steps=st.lists(puts | drops | expiries, max_size=40),
    now=expiries,
    wanted=filters,
    limit=st.integers(1, 5),
)
def test_pages_and_totals_are_those_of_a_list_that_is_sorted_anew(
    steps: list[OnSale | int | datetime], now: datetime, wanted: OnSaleFilter, limit: int
) -> None:
    index, events = OnSaleIndex(), dict[str, OnSale]()
    for step in (*steps, now):
        match step:
            case OnSale():
                index.put(step)
                events[step.event_id] = step
            case int():
                index.drop(str(UUID(int=step)))
                events.pop(str(UUID(int=step)), None)
            case datetime():
                index.expire(step)
                events = {name: event for name, event in events.items() if event.ends > step}
    found = matching(events, wanted)
    for offset in range(0, len(found) + limit + 1, limit):
        assert index.page(wanted, limit, offset) == (found[offset : offset + limit], len(found))
    assert len(index) == len(events)


@pytest.mark.parametrize("seconds", [0.5, 1, 1023, 1024, 2**LONG - 1, 2**LONG, 2 ** (LONG + 2)])
def test_an_event_of_any_length_is_on_until_its_end(seconds: float) -> None:
    index, ends = OnSaleIndex(), START + timedelta(seconds=seconds)
    index.put(OnSale(START, "long", ends, "opera", "oslo"))
    tick = timedelta(microseconds=1)
    for on_from, ids in [(START, ["long"]), (ends - tick, ["long"]), (ends, [])]:
        assert index.page(OnSaleFilter(on_from=on_from), 10, 0) == (ids, len(ids))


def test_one_long_event_lets_nobody_look_at_the_short_ones_before() -> None:
    looked_at = list[object]()

    class Watched(datetime):
        def __gt__(self, other: object) -> bool:
            looked_at.append(other)
            assert isinstance(other, datetime)
            return super().__gt__(other)

    index = OnSaleIndex()
    index.put(on_sale(0, 0, lasts=20_000))
    for number in range(1, 1000):
        starts = at(number)
        ends = Watched.fromtimestamp(at(number + 2).timestamp(), UTC)
        index.put(OnSale(starts, str(UUID(int=number)), ends, "opera", "oslo"))
    wanted = OnSaleFilter(on_from=at(900.5))
    ids, total = index.page(wanted, 3, 0)
    assert ids == [str(UUID(int=number)) for number in (0, 899, 900)]
    assert total == 1 + 2 + 99
    assert 2 <= len(looked_at) <= 4


def test_a_rescheduled_event_does_not_end_when_it_would_have_ended() -> None:
    index = OnSaleIndex()
    index.put(on_sale(1, starts=0, lasts=2))
    index.put(on_sale(1, starts=5, lasts=2))
    index.expire(at(2))
    assert len(index) == 1
    index.expire(at(7))
    assert len(index) == 0


def test_an_event_ends_at_its_end_and_not_before() -> None:
    index = OnSaleIndex()
    index.put(on_sale(1, lasts=2))
    index.expire(at(2) - timedelta(microseconds=1))
    assert len(index) == 1
    index.expire(at(2))
    assert repr(index) == "<OnSaleIndex 0 events in 0 lists>"


def test_the_furthest_page_costs_nothing_and_knows_the_total() -> None:
    index = OnSaleIndex()
    index.put(on_sale(1))
    assert index.page(OnSaleFilter(), 100, 10**11) == ([], 1)
