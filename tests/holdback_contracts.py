"""What every store does with the blocks of events; run against each, as `tests.contracts` is."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from evently.domain.commands import Expire, Reserve
from evently.domain.commits import Batch, Broken, Record
from evently.domain.event import created
from evently.domain.holdbacks import Holdback, kept_back
from evently.domain.outcomes import Done, InsufficientSeats
from evently.domain.state import EventState
from tests.contracts import Setting, _commit, _key, _published, _run
from tests.examples import NOW, ORIGIN, batch, details, reserve, update

SOON = NOW + timedelta(hours=1, microseconds=1)
PRESS, SPONSORS = Holdback("Press “A”", 3), Holdback("Sponsors", 2, SOON)


def from_block(seats: int, name: str = PRESS.name) -> Reserve:
    return Reserve(seats, None, amount=Decimal("0.00"), holdback=name)


async def _keeping(setting: Setting) -> EventState:
    state = await _published(setting)
    keeps = update(state.version, holdbacks=(PRESS, SPONSORS))
    return await _commit(setting, batch(state, ("keep", keeps)))


def numbers(state: EventState) -> tuple[int, int, int]:
    """Free, kept back, sold."""
    return state.available_seats, state.details.held_back_seats, state.sold


class HoldbackStoreContract:
    """A test class inherits this and has a fixture `setting`."""

    async def test_blocks_are_stored_in_their_order_as_they_were_given(
        self, setting: Setting
    ) -> None:
        state = await _keeping(setting)

        assert state.details.holdbacks == (PRESS, SPONSORS)
        assert state.details.next_release_at == SOON
        assert numbers(state) == (5, 5, 0)
        without = update(state.version, holdbacks=())
        after = await _commit(setting, batch(state, ("none", without)))
        assert (after.details.holdbacks, after.details.next_release_at) == ((), None)
        assert numbers(after) == (10, 0, 0)

    async def test_an_event_is_created_with_its_blocks(self, setting: Setting) -> None:
        model = await _published(setting)
        made, entry = created(
            details(str(uuid4()), venue_id=model.details.venue_id, **kept_back((PRESS, SPONSORS))),
            10,
            NOW,
        )
        assert await setting.store.create(made, Record(entry, "create", "create", ORIGIN))

        event_id = made.details.event_id
        loaded = (await setting.store.load([event_id])).states[event_id]
        assert loaded.details.holdbacks == (PRESS, SPONSORS)
        assert numbers(loaded) == (5, 5, 0)

    async def test_seats_of_a_block_are_taken_beside_free_ones_in_one_batch(
        self, setting: Setting
    ) -> None:
        state = await _keeping(setting)
        moves = (("a", from_block(2)), ("b", reserve(1)), ("c", from_block(1, "SPONSORS")))
        after = await _commit(setting, batch(state, *moves))

        assert after.details.holdbacks == (
            replace(PRESS, quantity=1),
            replace(SPONSORS, quantity=1),
        )
        assert numbers(after) == (4, 2, 4)
        assert after.edited_version == state.edited_version

    async def test_a_block_that_is_put_back_as_it_was_in_the_batch_is_stored_so(
        self, setting: Setting
    ) -> None:
        state = await _keeping(setting)
        taken = ("a", from_block(1))
        keeps = ("again", update(state.version + 1, holdbacks=(PRESS, SPONSORS)))
        after = await _commit(setting, batch(state, taken, keeps))

        assert after.details.holdbacks == (PRESS, SPONSORS)
        assert numbers(after) == (4, 5, 1)

    async def test_a_move_from_a_block_is_recalled_with_the_events_price(
        self, setting: Setting
    ) -> None:
        state = await _keeping(setting)
        at_price = Reserve(1, None, holdback=PRESS.name)
        state = await _commit(setting, batch(state, ("free", from_block(1)), ("paid", at_price)))
        dearer = update(state.version, base_price=Decimal("99.00"))
        await _commit(setting, batch(state, ("dearer", dearer)))

        for key in ("free", "paid"):
            noted = (await setting.store.recall([_key(state, key)]))[_key(state, key)].answer
            assert isinstance(noted, Done)
            assert noted.unit_price == state.details.base_price

    async def test_a_refusal_of_a_block_is_kept_with_its_name(self, setting: Setting) -> None:
        state = await _keeping(setting)
        await _run(setting, batch(state, refused=[("r", from_block(4))]))

        noted = await setting.store.recall([_key(state, "r")])
        assert noted[_key(state, "r")].answer == InsufficientSeats(4, 3, holdback=PRESS.name)

    async def test_a_freed_block_stays_with_no_seats(self, setting: Setting) -> None:
        state = await _keeping(setting)
        after = await _commit(setting, batch(state, ("free", Expire()), now=SOON))

        assert after.details.holdbacks == (PRESS, replace(SPONSORS, quantity=0))
        assert after.details.next_release_at is None
        assert numbers(after) == (7, 3, 0)

    async def test_more_than_there_is_cannot_be_kept_back(self, setting: Setting) -> None:
        state = await _keeping(setting)
        made = batch(state, ("r", from_block(1)))
        more = replace(made.after.details, **kept_back((Holdback("Press", 11),)))
        wrong = Batch(state, replace(made.after, details=more), made.records)
        changes = {"holdbacks": more.holdbacks}
        record = made.records[0]
        entry = replace(record.entry, changes=changes)
        with pytest.raises(Broken):
            await _run(setting, replace(wrong, records=(replace(record, entry=entry),)))
