"""What every store does at the opening and the close of sales; run against each."""

from datetime import timedelta

from tests.contracts import SHORTLY, Setting, _commit, _id, _load, _published, _run, _until
from tests.examples import batch, give_back, hold, reserve, update


class OpeningStoreContract:
    """A test class inherits this and has a fixture `setting`."""

    async def test_times_are_written_read_and_cleared(self, setting: Setting) -> None:
        state = await _published(setting)
        opens = state.details.start_datetime - timedelta(days=1, microseconds=1)
        closes = state.details.start_datetime + timedelta(microseconds=1)
        edit = update(2, sales_start=opens, sales_end=closes, paused=True)
        state = await _commit(setting, batch(state, ("a", edit)))

        stored = await _load(setting, _id(state))
        assert stored == state
        details = stored.details
        assert (details.sales_start, details.sales_end, details.paused) == (opens, closes, True)
        assert stored.edited_version == 3

        # What is not named stays.
        state = await _commit(setting, batch(state, ("b", update(3, sales_end=None))))
        details = (await _load(setting, _id(state))).details
        assert (details.sales_start, details.sales_end, details.paused) == (opens, None, True)

    async def test_nothing_is_sold_before_the_opening_however_it_was_decided(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        now = (await setting.store.load([])).now
        # Three statements come before it, on a machine that may be busy.
        opens = now + 5 * SHORTLY
        state = await _commit(setting, batch(state, ("open", update(2, sales_start=opens))))

        for move in (("b", reserve()), ("b", hold())):
            assert await _run(setting, batch(state, move, now=opens)) == set()
        # Nor is anybody told that there are too few seats, which would be the last word.
        too_many = reserve(state.available_seats + 1)
        refusal = batch(state, refused=[("c", too_many)], now=opens)
        assert await _run(setting, refusal) == set()
        assert await _load(setting, _id(state)) == state

        await _until(setting, opens)
        assert await _run(setting, refusal) == {_id(state)}
        state = await _load(setting, _id(state))
        after = await _commit(setting, batch(state, ("b", reserve()), now=opens))
        assert after.updated_at >= opens

    async def test_nothing_is_sold_after_the_close_and_the_event_can_be_changed(
        self, setting: Setting
    ) -> None:
        state = await _published(setting)
        early = (await setting.store.load([])).now
        # Two statements come before it, on a machine that may be busy.
        closes = early + 5 * SHORTLY
        state = await _commit(
            setting, batch(state, ("close", update(2, sales_end=closes)), now=early)
        )
        state = await _commit(setting, batch(state, ("sold", reserve()), now=early))
        await _until(setting, closes)

        for move in (("b", reserve()), ("b", hold())):
            assert await _run(setting, batch(state, move, now=early)) == set()
        state = await _commit(setting, batch(state, ("c", give_back()), now=early))
        await _commit(setting, batch(state, ("d", update(5, sales_end=None)), now=early))
