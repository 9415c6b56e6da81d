"""What every store does with the holds of events; run against each, as `tests.contracts` is."""

from datetime import timedelta

from evently.domain.commands import ChangeHold, Confirm, Expire, PlaceHold, Release
from evently.domain.commits import DueHolds
from evently.domain.holds import Hold, HoldStatus, hold_id_of
from evently.domain.outcomes import Done
from evently.domain.state import EventState
from tests.contracts import Setting, _commit, _key, _published, _run
from tests.examples import ORIGIN, batch, reserve


def hold_id(state: EventState, key: str) -> str:
    return hold_id_of(state.details.event_id, ORIGIN.caller, key)


def place(state: EventState, key: str, seats: int = 1, duration_s: int = 60) -> PlaceHold:
    return PlaceHold(hold_id(state, key), seats, duration_s, "b-1", None)


async def _row(setting: Setting, state: EventState, key: str) -> Hold | None:
    name = (state.details.event_id, hold_id(state, key))
    return (await setting.store.find_holds([name])).rows.get(name)


class HoldStoreContract:
    """A test class inherits this and has a fixture `setting`."""

    async def test_a_hold_is_written_with_its_version_and_read_as_it_was_made(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        now = (await setting.store.load([])).now
        made = batch(state, ("h", place(state, "h", 3)), now=now)
        after = await _commit(setting, made)

        event_id = state.details.event_id
        assert (after.available_seats, after.held_seats) == (7, 3)
        found = await setting.store.find_holds(
            [(event_id, hold_id(state, "h")), (event_id, hold_id(state, "other"))]
        )
        assert found.versions == {event_id: after.version}
        assert list(found.rows.values()) == list(made.holds)
        noted = await setting.store.recall([_key(state, "h")])
        answer = noted[_key(state, "h")].answer
        assert isinstance(answer, Done)
        assert answer.hold == made.holds[0]

    async def test_a_hold_that_changes_twice_in_a_batch_is_written_as_it_is_last(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        now = (await setting.store.load([])).now
        named = hold_id(state, "h")
        moves = (
            ("h", place(state, "h", 3)),
            ("c", ChangeHold(named, 2, 90)),
            ("p", Confirm(named)),
        )
        after = await _commit(setting, batch(state, *moves, now=now))

        row = await _row(setting, state, "h")
        assert row is not None
        assert (row.quantity, row.status) == (2, HoldStatus.CONFIRMED)
        assert row.amount == after.revenue == 2 * state.details.base_price
        assert (after.available_seats, after.held_seats) == (8, 0)

    async def test_a_batch_that_is_overtaken_writes_no_hold(self, setting: Setting) -> None:
        state = await _published(setting)
        now = (await setting.store.load([])).now
        late = batch(state, ("h", place(state, "h", 3)), now=now)
        await _commit(setting, batch(state, ("r", reserve(1))))

        assert await _run(setting, late) == set()
        assert await _row(setting, state, "h") is None

    async def test_what_is_due_is_found_oldest_first_with_the_time_of_the_next(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        now = (await setting.store.load([])).now
        past = now - timedelta(seconds=100)
        state = await _commit(
            setting,
            batch(
                state,
                ("b", place(state, "b", duration_s=50)),
                ("a", place(state, "a", duration_s=40)),
                ("gone", place(state, "gone", duration_s=30)),
                ("r", Release(hold_id(state, "gone"))),
                now=past,
            ),
        )
        state = await _commit(setting, batch(state, ("c", place(state, "c", 2)), now=now))
        event_id = state.details.event_id

        due = (await setting.store.due_holds([event_id]))[event_id]

        assert [hold.hold_id for hold in due.holds] == [hold_id(state, "a"), hold_id(state, "b")]
        later = await _row(setting, state, "c")
        assert later is not None
        assert due.next_expires_at == later.expires_at
        rows = {hold.hold_id: hold for hold in due.holds}
        state = await _commit(setting, batch(state, ("e", Expire()), now=now, holds=rows))
        assert (state.available_seats, state.held_seats) == (8, 2)
        again = (await setting.store.due_holds([event_id]))[event_id]
        assert again == DueHolds((), later.expires_at)

    async def test_an_event_without_holds_has_none_due(self, setting: Setting) -> None:
        state = await _published(setting)
        event_id = state.details.event_id

        assert (await setting.store.due_holds([event_id]))[event_id] == DueHolds((), None)
