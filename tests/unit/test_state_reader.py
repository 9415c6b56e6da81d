"""Many readers, one statement."""

import asyncio

import pytest

from actors.clock import DatabaseClock
from actors.state_reader import EVENTS_MAX, StateReader
from evently.domain.errors import DatabaseUnavailable
from tests.examples import EVENT, NOW, batch, draft, publish, published, reserve
from tests.memory_store import Call, Fate, MemoryDatabase, MemoryStore, Step
from tests.simulation.virtual_loop import in_virtual_time


class Library:
    """A reader over a store whose loads take a second each, unless a test says otherwise."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.database = MemoryDatabase(NOW, loop.time)
        first = batch(draft(), ("publish", publish())).records[0]
        self.database.insert(draft(), first)
        self.database.states[EVENT] = published()
        self.steps: list[Step] = []
        self.store = MemoryStore(self.database, self.script)
        self.clock = DatabaseClock(loop.time)
        self.reader = StateReader(self.store, self.clock, lambda _, state, __: state)

    def script(self, call: Call) -> Step:
        return self.steps.pop(0) if self.steps else Step(before_s=0.5, after_s=0.5)


@in_virtual_time
async def test_readers_that_come_together_share_a_statement() -> None:
    library = Library()

    states = await asyncio.gather(*(library.reader.load(EVENT) for _ in range(9)))

    assert states == [published()] * 9
    assert len(library.store.calls) == 1
    assert abs((library.clock.now() - library.database.now()).total_seconds()) <= 0.5


@in_virtual_time
async def test_a_reader_never_gets_what_was_asked_before_it_came() -> None:
    library = Library()
    early = library.reader.load(EVENT)
    await asyncio.sleep(0.6)
    library.database.execute([batch(published(), ("k", reserve()))])
    late = library.reader.load(EVENT)

    assert await early == published()
    state = await late
    assert state is not None
    assert state.version == 3


@in_virtual_time
async def test_an_unknown_event_is_none() -> None:
    assert await Library().reader.load("unknown") is None


@pytest.mark.parametrize(("readers", "statements"), [(EVENTS_MAX, 1), (EVENTS_MAX + 1, 2)])
@in_virtual_time
async def test_one_statement_reads_so_many_events_and_the_rest_wait(
    readers: int, statements: int
) -> None:
    library = Library()

    await asyncio.gather(*(library.reader.load(f"event {n}") for n in range(readers)))

    assert len(library.store.calls) == statements


@pytest.mark.parametrize("fate", [Fate.UNAVAILABLE, Fate.BUG])
@in_virtual_time
async def test_whatever_goes_wrong_is_told_to_those_who_wait_and_to_nobody_else(
    fate: Fate,
) -> None:
    library = Library()
    library.steps = [Step(fate)]

    first, second = await asyncio.gather(
        library.reader.load(EVENT), library.reader.load(EVENT), return_exceptions=True
    )

    expected = DatabaseUnavailable if fate is Fate.UNAVAILABLE else RuntimeError
    assert isinstance(first, expected)
    assert isinstance(second, expected)
    assert await library.reader.load(EVENT) == published()


@in_virtual_time
async def test_a_reader_that_goes_leaves_the_others_their_answer() -> None:
    library = Library()
    gone = library.reader.load(EVENT)
    stays = library.reader.load(EVENT)
    await asyncio.sleep(0.1)

    gone.cancel()

    assert await stays == published()


@in_virtual_time
async def test_a_fault_that_nobody_waits_for_any_more_is_no_error() -> None:
    library = Library()
    library.steps = [Step(Fate.UNAVAILABLE, before_s=0.5)]
    gone = library.reader.load(EVENT)
    await asyncio.sleep(0.1)

    gone.cancel()
    await asyncio.sleep(1.0)

    assert gone.cancelled()


@in_virtual_time
async def test_stopping_answers_those_who_wait() -> None:
    library = Library()
    waits = library.reader.load(EVENT)
    await asyncio.sleep(0.1)

    await library.reader.stop()
    await asyncio.sleep(0)

    assert waits.result() == published()
    await library.reader.stop()
