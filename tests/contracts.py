"""What every store of events does, whatever it is made of: one suite, run against each.

Rule: a store that passes may stand in for any other in front of the actors; what only PostgreSQL
can show stands in its own tests.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import uuid4

import pytest

from actors.envelope import canonical
from actors.store import Lane
from evently.domain.commands import Command, Reserve
from evently.domain.commits import (
    Batch,
    Broken,
    DueHolds,
    EventHold,
    EventKey,
    FoundHolds,
    KeyTaken,
    Loaded,
    Noted,
    Record,
)
from evently.domain.event import created
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    Done,
    FinalRefusal,
    InsufficientSeats,
    LedgerKind,
    NotModifiable,
    SeatsExceedCapacity,
)
from evently.domain.state import EventState, Status
from tests.examples import (
    ADMIN,
    NOW,
    ORIGIN,
    PRICE,
    batch,
    cancel,
    details,
    draft,
    give_back,
    publish,
    reserve,
    update,
)

# Enough to commit what is to be committed before it, and no more.
SHORTLY = timedelta(seconds=0.5)
OTHER = Origin("key:resale", "request-1")


class Store(Protocol):
    """What is asked of a store, that of the actors and more."""

    def lane(self) -> Lane: ...

    async def load(self, event_ids: Sequence[str]) -> Loaded: ...

    async def recall(self, keys: Sequence[EventKey]) -> Mapping[EventKey, Noted]: ...

    async def find_holds(self, holds: Sequence[EventHold]) -> FoundHolds: ...

    async def due_holds(self, event_ids: Sequence[str]) -> Mapping[str, DueHolds]: ...

    async def create(self, state: EventState, record: Record) -> bool: ...


@dataclass(frozen=True)
class Version:
    """A ledger row, in short."""

    version: int
    kind: LedgerKind
    key: str
    request: str
    seat_delta: int
    capacity_delta: int
    money_delta: Decimal
    available_seats: int
    status: Status


class Setting(Protocol):
    """A store, and a way round it to see and to disturb."""

    @property
    def store(self) -> Store: ...

    async def set_venue(self, venue_id: str, capacity: int) -> None: ...

    async def ledger(self, event_id: str) -> list[Version]: ...


class EventStoreContract:
    """The suite; a subclass in a test module says what `setting` is."""

    @pytest.fixture
    def setting(self) -> Setting:
        raise NotImplementedError

    # An event is created

    async def test_a_created_event_is_loaded_as_it_was_made(self, setting: Setting) -> None:
        state = await _created(setting, capacity=10)

        assert (state.status, state.version, state.available_seats) == (Status.DRAFT, 1, 10)
        (first,) = await setting.ledger(state.details.event_id)
        assert (first.version, first.kind, first.key) == (1, LedgerKind.CREATED, "create")
        assert (first.seat_delta, first.capacity_delta) == (0, 10)

    async def test_a_venue_that_is_too_small_or_unknown_takes_no_event(
        self, setting: Setting
    ) -> None:
        venue_id = str(uuid4())
        unknown = await _try_to_create(setting, venue_id, 10)
        await setting.set_venue(venue_id, 9)
        small = await _try_to_create(setting, venue_id, 10)

        for made, event_id in (unknown, small):
            assert not made
            assert (await setting.store.load([event_id])).states == {}
            assert await setting.ledger(event_id) == []
        assert (await _try_to_create(setting, venue_id, 9))[0]

    # Reads

    async def test_a_load_has_the_clock_and_the_known_events(self, setting: Setting) -> None:
        one, other = await _published(setting), await _published(setting)
        unknown = str(uuid4())

        loaded = await setting.store.load([_id(one), unknown, _id(other)])

        assert dict(loaded.states) == {_id(one): one, _id(other): other}
        assert loaded.now.utcoffset() == timedelta(0)
        assert loaded.now >= one.updated_at

    async def test_a_load_of_nothing_has_the_clock(self, setting: Setting) -> None:
        first = await setting.store.load([])
        second = await setting.store.load([])

        assert first.states == {}
        assert first.now <= second.now

    async def test_the_ledger_recalls_what_was_answered_under_a_key(self, setting: Setting) -> None:
        state = await _published(setting)
        done = await _commit(setting, batch(state, ("k", reserve(3)), ("l", give_back(1, 3))))

        keys = [_key(state, "k"), _key(state, "l"), _key(state, "m")]
        keys += [(str(uuid4()), ORIGIN.caller, "k"), (_id(state), "another", "k")]
        noted = await setting.store.recall(keys)

        assert noted == {
            keys[0]: Noted(
                "-3 at *", Done(3, 7, Status.PUBLISHED, done.updated_at, unit_price=PRICE)
            ),
            keys[1]: Noted(
                "+1 at 3", Done(4, 8, Status.PUBLISHED, done.updated_at, unit_price=PRICE)
            ),
        }

    async def test_a_move_is_recalled_with_the_price_at_which_it_was_made(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        free = Reserve(2, None, amount=Decimal("1.00"))
        moves = (("a", reserve(3)), ("b", free), ("c", give_back(1)))
        state = await _commit(setting, batch(state, *moves))
        dearer = update(state.version, base_price=Decimal("30.00"))
        state = await _commit(setting, batch(state, ("u", dearer)))
        await _commit(setting, batch(state, ("d", reserve()), ("e", free)))

        noted = await setting.store.recall([_key(state, name) for name in "abcde"])

        answers = {key[2]: known.answer for key, known in noted.items()}
        prices = {name: one.unit_price for name, one in answers.items() if isinstance(one, Done)}
        assert prices == dict.fromkeys("abc", PRICE) | dict.fromkeys("de", Decimal("30.00"))

    # One event

    async def test_a_batch_is_committed_with_a_row_for_each_version(self, setting: Setting) -> None:
        state = await _published(setting)
        moves = batch(state, ("a", reserve(4)), ("b", give_back(1)), ("c", reserve(7)))

        after = await _commit(setting, moves)

        assert after == replace(moves.after, updated_at=after.updated_at)
        assert after.status is Status.SOLD_OUT
        assert after.revenue == Decimal("255.00")
        rows = (await setting.ledger(_id(state)))[2:]
        assert [(row.version, row.key, row.seat_delta, row.available_seats) for row in rows] == [
            (3, "a", -4, 6),
            (4, "b", 1, 7),
            (5, "c", -7, 0),
        ]
        assert [row.status for row in rows] == ["published", "published", "sold_out"]

    async def test_a_stale_version_is_not_returned_and_leaves_nothing(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        moved = await _commit(setting, batch(state, ("a", reserve(1))))

        done = await _run(setting, batch(state, ("b", reserve(1))))

        assert done == set()
        assert await _load(setting, _id(state)) == moved
        assert len(await setting.ledger(_id(state))) == 3
        assert await setting.store.recall([_key(state, "b")]) == {}

    async def test_an_event_that_does_not_exist_is_not_returned(self, setting: Setting) -> None:
        state = draft(event_id=str(uuid4()))

        assert await _run(setting, batch(state, ("a", publish()))) == set()
        assert await setting.ledger(_id(state)) == []

    async def test_of_two_that_start_from_one_version_one_is_committed(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        rivals = [batch(state, (f"k{n}", reserve(n + 1))) for n in range(4)]

        done = await asyncio.gather(*(_run(setting, rival) for rival in rivals))

        assert sorted(len(event_ids) for event_ids in done) == [0, 0, 0, 1]
        assert len(await setting.ledger(_id(state))) == 3

    async def test_changes_and_moves_share_a_statement(self, setting: Setting) -> None:
        state = await _published(setting)
        changed = {
            "name": "Tag \u00fcber \u2028 \U0001f3b6 'x'",
            "description": 'quoted " and \\',
            "event_type": "opera",
            "start_datetime": NOW + timedelta(days=20, microseconds=1),
            "end_datetime": NOW + timedelta(days=21),
            "base_price": Decimal("9999999999.99"),
            "max_tickets_per_booking": 3,
            "total_capacity": 30,
        }
        moves = batch(
            state,
            ("a", reserve(2)),
            ("b", update(3, **changed)),
            ("c", reserve(1)),
            ("d", update(5, name="Night")),
        )

        after = await _commit(setting, moves)

        assert after == replace(moves.after, updated_at=after.updated_at)
        assert after.details.name == "Night"
        assert after.details.start_datetime == changed["start_datetime"]
        assert after.available_seats == 27
        assert after.terms_version == 4
        kinds = [row.kind for row in await setting.ledger(_id(state))]
        assert kinds[2:] == ["reserved", "updated", "reserved", "updated"]

    async def test_a_cancelled_event_takes_returns_and_stays_cancelled(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)

        after = await _commit(
            setting, batch(state, ("a", reserve(2)), ("b", cancel(3)), ("c", give_back(2)))
        )

        assert after.status is Status.CANCELLED
        assert (after.available_seats, after.revenue) == (10, Decimal(0))

    async def test_an_event_that_was_cancelled_as_a_draft_is_told_from_one_that_was_on_sale(
        self, setting: Setting
    ) -> None:
        never = await _commit(setting, batch(await _created(setting, 10), ("a", cancel(1))))
        was = await _commit(
            setting, batch(await _created(setting, 10), ("a", publish(1)), ("b", cancel(2)))
        )

        assert (never.status, never.known) == (Status.CANCELLED, False)
        assert (was.status, was.known) == (Status.CANCELLED, True)

    # Several events

    async def test_each_event_of_a_statement_is_moved_or_not_for_itself(
        self, setting: Setting
    ) -> None:
        states = [await _published(setting) for _ in range(4)]
        await _commit(setting, batch(states[1], ("elsewhere", reserve(1))))
        batches = [batch(state, ("k", reserve(2)), ("l", reserve(1))) for state in states]

        done = await _run(setting, *batches)

        assert done == {_id(states[0]), _id(states[2]), _id(states[3])}
        seats = [(await _load(setting, _id(state))).available_seats for state in states]
        assert seats == [7, 9, 7, 7]

    async def test_a_change_and_a_move_of_two_events_share_a_statement(
        self, setting: Setting
    ) -> None:
        one, other = await _published(setting), await _published(setting)

        done = await _run(
            setting, batch(one, ("k", update(2, total_capacity=20))), batch(other, ("k", reserve()))
        )

        assert done == {_id(one), _id(other)}
        assert (await _load(setting, _id(one))).available_seats == 20

    # Keys

    @pytest.mark.parametrize("again", [reserve(1), reserve(2)])
    async def test_a_key_that_is_taken_rolls_the_whole_statement_back(
        self, setting: Setting, again: Command
    ) -> None:
        one, other = await _published(setting), await _published(setting)
        moved = await _commit(setting, batch(one, ("k", reserve(1))))
        lane = setting.store.lane()

        with pytest.raises(KeyTaken) as taken:
            await lane.commit(
                [
                    batch(other, ("m", reserve(1))),
                    batch(moved, ("new", reserve(1)), ("k", again)),
                ]
            )

        assert taken.value.event_id == _id(one)
        assert await _load(setting, _id(one)) == moved
        assert await _load(setting, _id(other)) == other
        assert len(await setting.ledger(_id(other))) == 2
        assert (await lane.commit([batch(other, ("m", reserve(1)))])).event_ids == {_id(other)}
        await lane.close()

    async def test_a_key_twice_in_one_batch_is_taken(self, setting: Setting) -> None:
        state = await _published(setting)

        with pytest.raises(KeyTaken):
            await _run(setting, batch(state, ("k", reserve(1)), ("k", reserve(1))))

        assert await _load(setting, _id(state)) == state

    async def test_a_key_is_its_events_own(self, setting: Setting) -> None:
        one, other = await _published(setting), await _published(setting)
        await _commit(setting, batch(one, ("k", reserve(1))))

        assert await _run(setting, batch(other, ("k", reserve(1)))) == {_id(other)}

    async def test_a_stale_version_comes_before_a_key_that_is_taken(self, setting: Setting) -> None:
        state = await _published(setting)
        await _commit(setting, batch(state, ("k", reserve(1))))

        assert await _run(setting, batch(state, ("k", reserve(1)))) == set()

    async def test_a_key_is_its_callers_own(self, setting: Setting) -> None:
        state = await _published(setting)
        moved = await _commit(setting, batch(state, ("k", reserve(1))))

        other = batch(moved, ("k", reserve(2)), origin=OTHER)
        assert await _run(setting, other) == {_id(state)}

        ours, theirs = _key(state, "k"), (_id(state), OTHER.caller, "k")
        noted = await setting.store.recall([ours, theirs])
        assert {key: known.request for key, known in noted.items()} == {
            ours: "-1 at *",
            theirs: "-2 at *",
        }
        again = batch((await _load(setting, _id(state))), ("k", reserve(2)), origin=OTHER)
        with pytest.raises(KeyTaken):
            await _run(setting, again)

    # Refusals

    @pytest.mark.parametrize(
        ("command", "refusal"),
        [
            (reserve(11), InsufficientSeats(11, 10)),
            (give_back(1), SeatsExceedCapacity(1, 0)),
        ],
    )
    async def test_a_final_refusal_is_kept_and_changes_nothing_but_the_fence(
        self, setting: Setting, command: Command, refusal: FinalRefusal
    ) -> None:
        state = await _published(setting)

        assert await _run(setting, batch(state, refused=[("k", command)])) == {_id(state)}

        assert await _load(setting, _id(state)) == replace(state, fence=1)
        assert len(await setting.ledger(_id(state))) == 2
        noted = await setting.store.recall([_key(state, "k"), (_id(state), OTHER.caller, "k")])
        assert noted == {_key(state, "k"): Noted(canonical(command), refusal)}

    async def test_a_refusal_for_an_event_that_is_over_is_kept_as_it_was_told(
        self, setting: Setting
    ) -> None:
        state = await _commit(setting, batch(await _published(setting), ("c", cancel())))

        await _run(setting, batch(state, refused=[("k", reserve())]))

        ((_, noted),) = (await setting.store.recall([_key(state, "k")])).items()
        assert noted == Noted("-1 at *", NotModifiable(Status.CANCELLED, False))

    async def test_a_refusal_that_is_not_final_moves_the_fence_and_is_not_kept(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)

        await _run(setting, batch(state, refused=[("k", reserve(1, 1))]))

        moved = await _load(setting, _id(state))
        assert moved == replace(state, fence=1)
        assert await setting.store.recall([_key(state, "k")]) == {}
        assert await _run(setting, batch(moved, ("k", reserve()))) == {_id(state)}

    async def test_moves_and_refusals_share_a_statement(self, setting: Setting) -> None:
        one, other = await _published(setting), await _published(setting)
        mixed = batch(one, ("a", reserve(8)), refused=[("b", reserve(3)), ("c", reserve(4))])

        done = await _run(setting, mixed, batch(other, ("a", reserve())))

        assert done == {_id(one), _id(other)}
        after = await _load(setting, _id(one))
        assert after == replace(mixed.after, updated_at=after.updated_at)
        assert (after.fence, (await _load(setting, _id(other))).fence) == (1, 0)
        noted = await setting.store.recall([_key(one, "b"), _key(one, "c")])
        assert [known.answer for known in noted.values()] == [
            InsufficientSeats(3, 2),
            InsufficientSeats(4, 2),
        ]

    async def test_what_was_decided_before_a_refusal_is_not_done_after_it(
        self, setting: Setting
    ) -> None:
        state, other = await _published(setting), await _published(setting)
        on_its_way = batch(state, ("back", reserve(1)), ("k", reserve(1)))
        await _run(setting, batch(state, refused=[("k", reserve(11))]))

        assert await _run(setting, on_its_way, batch(other, ("k", reserve()))) == {_id(other)}

        assert await _load(setting, _id(state)) == replace(state, fence=1)
        assert len(await setting.ledger(_id(state))) == 2

    async def test_a_refusal_that_was_decided_before_a_move_is_not_kept_after_it(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        late = batch(state, refused=[("k", reserve(11))])
        moved = await _commit(setting, batch(state, ("a", reserve())))

        assert await _run(setting, late) == set()
        assert await _load(setting, _id(state)) == moved
        assert await setting.store.recall([_key(state, "k")]) == {}

    @pytest.mark.parametrize("kept_first", [True, False])
    async def test_a_key_that_was_refused_moves_nothing_and_holds_up_no_other_event(
        self, setting: Setting, kept_first: bool
    ) -> None:
        state, other = await _published(setting), await _published(setting)
        if kept_first:
            await _run(setting, batch(state, refused=[("k", reserve(11))]))
            state = await _load(setting, _id(state))
            again = batch(state, ("a", reserve(1)), ("k", reserve(1)))
        else:
            state = await _commit(setting, batch(state, ("k", reserve(1))))
            again = batch(state, ("a", reserve(1)), refused=[("k", reserve(11))])

        assert await _run(setting, again, batch(other, ("k", reserve()))) == {_id(other)}

        assert await _load(setting, _id(state)) == state
        assert await setting.store.recall([_key(state, "a")]) == {}
        await _commit(setting, batch(state, ("a", reserve(1))))

    async def test_a_key_is_refused_once(self, setting: Setting) -> None:
        state = await _published(setting)
        await _run(setting, batch(state, refused=[("k", reserve(11))]))
        state = await _load(setting, _id(state))

        assert await _run(setting, batch(state, refused=[("k", reserve(11))])) == set()
        assert await _run(setting, batch(state, refused=[("k", reserve(11))], origin=OTHER))

    async def test_of_two_that_start_from_one_fence_one_is_committed(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        rivals = [batch(state, refused=[("k", reserve(11 + n))]) for n in range(4)]

        done = await asyncio.gather(*(_run(setting, rival) for rival in rivals))

        assert sorted(len(event_ids) for event_ids in done) == [0, 0, 0, 1]
        assert (await _load(setting, _id(state))).fence == 1

    # The start

    async def test_what_may_be_done_before_the_start_only_is_not_done_once_it_has_come(
        self, setting: Setting
    ) -> None:
        """However early it was decided: a batch may have been on its way for long."""
        sold, early = await _about_to_start(setting)
        decided = [
            batch(sold, ("b", reserve()), now=early),
            batch(sold, ("b", give_back()), ("c", reserve()), now=early),
            batch(sold, ("b", update(4, name="Late")), now=early),
            batch(sold, ("b", update(4, start_datetime=early + timedelta(hours=1))), now=early),
            batch(sold, ("b", cancel(4)), now=early),
        ]

        for one in decided:
            assert await _run(setting, one) == set()

        assert await _load(setting, _id(sold)) == sold
        assert await setting.store.recall([_key(sold, "b")]) == {}
        # Refunds come late.
        await _commit(setting, batch(sold, ("b", give_back()), now=early))

    async def test_an_event_that_has_started_holds_up_no_other(self, setting: Setting) -> None:
        other = await _published(setting)
        sold, early = await _about_to_start(setting)

        late = batch(sold, ("b", reserve()), now=early)
        assert await _run(setting, late, batch(other, ("b", reserve()))) == {_id(other)}

    async def test_a_draft_is_not_published_once_its_start_has_come(self, setting: Setting) -> None:
        state = await _created(setting, 10)
        early = (await setting.store.load([])).now
        start = early + SHORTLY
        state = await _commit(
            setting, batch(state, ("a", update(1, start_datetime=start)), now=early)
        )
        await _until(setting, start)

        assert await _run(setting, batch(state, ("b", publish(2)), now=early)) == set()
        # It has no buyers, so it may be changed.
        later = early + timedelta(hours=1)
        await _commit(setting, batch(state, ("b", update(2, start_datetime=later)), now=early))

    # Venues

    async def test_a_venue_that_has_become_too_small_leaves_the_event_as_it_is(
        self, setting: Setting
    ) -> None:
        state, other = await _published(setting), await _published(setting)
        await setting.set_venue(state.details.venue_id, 19)

        done = await _run(
            setting,
            batch(state, ("a", reserve(1)), ("b", update(3, total_capacity=20))),
            batch(other, ("a", reserve(1))),
        )

        assert done == {_id(other)}
        assert await _load(setting, _id(state)) == state
        await setting.set_venue(state.details.venue_id, 20)
        assert await _run(setting, batch(state, ("b", update(total_capacity=20)))) == {_id(state)}

    async def test_an_event_moves_to_a_venue_that_exists_and_has_room(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        moved = str(uuid4())
        move = batch(state, ("a", update(2, venue_id=moved)))

        assert await _run(setting, move) == set()
        await setting.set_venue(moved, 9)
        assert await _run(setting, move) == set()
        await setting.set_venue(moved, 10)
        assert await _run(setting, move) == {_id(state)}
        assert (await _load(setting, _id(state))).details.venue_id == moved

    async def test_seats_move_whatever_the_venue_has_become(self, setting: Setting) -> None:
        state = await _published(setting)
        await setting.set_venue(state.details.venue_id, 1)

        after = await _commit(setting, batch(state, ("a", reserve()), ("b", update(3, name="Day"))))

        assert after.available_seats == 9

    # What only a bug can send

    async def test_a_batch_that_breaks_a_constraint_rolls_the_whole_statement_back(
        self, setting: Setting
    ) -> None:
        state, other = await _published(setting), await _published(setting)
        sold = batch(state, ("a", reserve(10)))
        too_many = replace(sold.after, available_seats=-1)
        lane = setting.store.lane()

        with pytest.raises(Broken):
            await lane.commit([batch(other, ("a", reserve())), replace(sold, after=too_many)])

        assert await _load(setting, _id(state)) == state
        assert await _load(setting, _id(other)) == other
        assert (await lane.commit([sold])).event_ids == {_id(state)}
        await lane.close()

    async def test_a_version_is_never_used_twice(self, setting: Setting) -> None:
        state = await _published(setting)
        once = batch(state, ("a", reserve()), ("b", reserve()))
        first, second = once.records
        entry = replace(second.entry, version=first.entry.version)
        twice = replace(once, records=(first, replace(second, entry=entry)))

        with pytest.raises(Broken):
            await _run(setting, twice)

        assert await _load(setting, _id(state)) == state
        assert len(await setting.ledger(_id(state))) == 2

    # Lanes

    async def test_a_lane_that_was_closed_is_made_anew(self, setting: Setting) -> None:
        state = await _published(setting)
        lane = setting.store.lane()
        await lane.close()

        assert (await lane.commit([batch(state, ("a", reserve()))])).event_ids
        await lane.close()
        await lane.close()

        state = await _load(setting, _id(state))
        assert (await lane.commit([batch(state, ("b", reserve()))])).event_ids
        await lane.close()


def _id(state: EventState) -> str:
    return state.details.event_id


def _key(state: EventState, key: str) -> EventKey:
    return _id(state), ORIGIN.caller, key


async def _try_to_create(setting: Setting, venue_id: str, capacity: int) -> tuple[bool, str]:
    event_id = str(uuid4())
    state, entry = created(details(event_id, venue_id=venue_id), capacity, NOW)
    record = Record(entry, "create", "create", Origin(f"admin:{ADMIN}", "request-0"))
    return await setting.store.create(state, record), event_id


async def _created(setting: Setting, capacity: int) -> EventState:
    """A draft at a venue of its own, which has room for 40."""
    venue_id = str(uuid4())
    await setting.set_venue(venue_id, 40)
    made, event_id = await _try_to_create(setting, venue_id, capacity)
    assert made
    state = await _load(setting, event_id)
    wanted = draft(capacity, event_id, venue_id=venue_id, created_at=state.details.created_at)
    assert state == replace(wanted, updated_at=state.updated_at)
    return state


async def _published(setting: Setting) -> EventState:
    """An event of ten seats on sale."""
    return await _commit(setting, batch(await _created(setting, 10), ("publish", publish())))


async def _about_to_start(setting: Setting) -> tuple[EventState, datetime]:
    """An event whose start has just come, with a seat out, and a time before the start."""
    state = await _published(setting)
    early = (await setting.store.load([])).now
    start = early + SHORTLY
    moves = (("start", update(2, start_datetime=start)), ("sold", reserve()))
    state = await _commit(setting, batch(state, *moves, now=early))
    await _until(setting, start)
    return state, early


async def _until(setting: Setting, time: datetime) -> None:
    """Wait for the database's clock."""
    async with asyncio.timeout(5):
        while (await setting.store.load([])).now < time:
            await asyncio.sleep(0.01)


async def _run(setting: Setting, *batches: Batch) -> set[str]:
    lane = setting.store.lane()
    try:
        return set((await lane.commit(batches)).event_ids)
    finally:
        await lane.close()


async def _commit(setting: Setting, one: Batch) -> EventState:
    """The state that a batch leaves, which must be committed."""
    lane = setting.store.lane()
    done = await lane.commit([one])
    await lane.close()
    assert set(done.event_ids) == {one.event_id}
    state = await _load(setting, one.event_id)
    assert state.updated_at == done.now
    return state


async def _load(setting: Setting, event_id: str) -> EventState:
    return (await setting.store.load([event_id])).states[event_id]
