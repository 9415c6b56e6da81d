"""When lists come from the replica, and that nobody waits for it."""

import asyncio

import pytest

from db.event_lists import EventPage, LogPosition
from db.on_sale_index import OnSaleFilter
from evently.domain.errors import DatabaseUnavailable
from routes.caches.replica import CHECK_S, HOLDS_S, LAG_MAX_S, Replica
from routes.caches.revision import LocalRevision

PAGE = EventPage((), 7)


class Server:
    """A server that is as far as it is told to be, and answers when it is told to."""

    def __init__(self, *, standby: bool) -> None:
        self.standby = standby
        self.at = 100
        self.pages = self.positions = self.forgotten = 0
        self.fault: Exception | None = None
        self.go = asyncio.Event()
        self.go.set()

    def forget(self) -> None:
        self.forgotten += 1

    async def on_sale(self, wanted: OnSaleFilter, limit: int, offset: int) -> EventPage:
        self.pages += 1
        await self._answer()
        return PAGE

    async def position(self) -> LogPosition:
        self.positions += 1
        await self._answer()
        return LogPosition(self.standby, self.at)

    async def _answer(self) -> None:
        await self.go.wait()
        if self.fault is not None:
            raise self.fault


class Setting:
    """A replica under test, its two servers, and a clock in hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.primary, self.server = Server(standby=False), Server(standby=True)
        self.revision = LocalRevision()
        self.replica = Replica(
            self.server, self.primary, self.revision, answer_s=0, clock=lambda: self.now
        )

    async def read(self) -> bool:
        """Whether a list comes from the replica."""
        page = await self.replica.on_sale(OnSaleFilter(), 20, 0)
        assert page in (PAGE, None)
        return page is not None

    async def checked(self) -> bool:
        """Whether a list does once a check that is due has been made."""
        await self.read()
        positions = self.server.positions
        await _settle()
        assert self.server.positions >= positions
        return await self.read()


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def test_the_first_list_does_not_wait_for_the_check(setting: Setting) -> None:
    assert not await setting.read()
    await _settle()
    # A page that needs a turn of the loop takes longer than the replica is given here.
    assert setting.replica.usable


async def test_a_replica_that_is_up_to_date_is_read_until_the_check_is_old() -> None:
    setting = patient()
    assert not await setting.read()
    await _settle()
    assert await setting.read()
    setting.now += CHECK_S - 0.001
    assert await setting.read()
    assert setting.server.positions == 1
    setting.now += 0.001
    assert await setting.read()
    await _settle()
    assert (setting.server.pages, setting.server.positions) == (3, 2)
    setting.now += HOLDS_S - 0.001
    assert await setting.read()
    await _settle()
    setting.now += HOLDS_S
    assert not await setting.read()
    await _settle()
    assert await setting.read()


async def test_after_a_change_the_replica_must_have_it(setting: Setting) -> None:
    setting = patient()
    assert await setting.checked()
    setting.primary.at += 1
    setting.revision.bump()
    assert not await setting.checked()
    # Also long after, as long as it has not.
    for _ in range(20):
        setting.now += CHECK_S
        assert not await setting.checked()
    setting.server.at += 1
    setting.now += CHECK_S
    assert await setting.checked()


async def test_after_a_loss_positions_of_the_other_history_count_for_nothing() -> None:
    setting = patient()
    setting.revision.bump()
    assert await setting.checked()
    setting.replica.forget()
    assert setting.server.forgotten == 1
    # The database was restored to an earlier moment, and its standby made again from it.
    setting.primary.at = setting.server.at = 10
    assert not await setting.read()
    await _settle()
    assert await setting.read()


async def test_a_check_during_which_the_database_was_lost_finds_nothing() -> None:
    setting = patient()
    setting.server.go.clear()
    assert not await setting.read()
    await _settle()
    setting.replica.forget()
    setting.server.go.set()
    await _settle()
    assert not setting.replica.usable
    assert await setting.checked()


async def test_a_change_during_a_check_is_not_covered_by_it() -> None:
    setting = patient()
    assert await setting.checked()
    setting.now += CHECK_S
    setting.server.go.clear()
    assert not await setting.read()
    await _settle()
    setting.primary.at += 1
    setting.revision.bump()
    setting.server.go.set()
    await _settle()
    assert not await setting.read()


async def test_while_a_check_is_under_way_the_one_before_does_not_stand_for_it() -> None:
    setting = patient()
    assert await setting.checked()
    setting.primary.at += 1
    setting.revision.bump()
    setting.server.go.clear()
    for _ in range(3):
        assert not await setting.read()
        await _settle()


async def test_a_lag_of_a_moment_is_no_lag_and_a_longer_one_is() -> None:
    setting = patient()
    assert await setting.checked()
    # What the primary has done since the last check need not be there yet.
    setting.now += LAG_MAX_S
    setting.primary.at += 50
    assert await setting.checked()
    setting.now += CHECK_S
    assert not await setting.checked()
    setting.server.at += 50
    setting.now += CHECK_S
    assert await setting.checked()


async def test_after_a_pause_it_must_be_where_the_primary_is_now() -> None:
    setting = patient()
    assert await setting.checked()
    setting.now += LAG_MAX_S + 0.001
    setting.primary.at += 1
    assert not await setting.checked()


async def test_a_page_that_takes_too_long_is_the_primarys(setting: Setting) -> None:
    await setting.read()
    await _settle()
    setting.server.go.clear()
    assert not await setting.read()
    assert not setting.replica.usable
    assert not await setting.read()
    assert setting.server.pages == 1
    await setting.replica.stop()


@pytest.mark.parametrize("fault", [DatabaseUnavailable("gone"), ZeroDivisionError()])
async def test_a_replica_that_fails_is_not_read_and_read_again_when_it_answers(
    fault: Exception,
) -> None:
    setting = patient()
    assert await setting.checked()
    setting.server.fault = fault
    assert not await setting.read()
    for _ in range(3):
        setting.now += CHECK_S
        assert not await setting.checked()
    setting.server.fault = None
    assert await setting.checked()


async def test_a_check_that_hangs_is_the_only_one() -> None:
    setting = patient()
    setting.server.go.clear()
    for _ in range(5):
        assert not await setting.read()
        await _settle()
        setting.now += CHECK_S
    assert setting.server.positions == 1
    await setting.replica.stop()


async def test_a_server_that_is_no_standby_is_not_read() -> None:
    setting = patient()
    setting.server.standby = False
    assert not await setting.checked()


async def test_it_says_in_its_repr_whether_it_is_read() -> None:
    setting = patient()
    assert repr(setting.replica) == "<Replica not read>"
    await setting.checked()
    assert repr(setting.replica) == "<Replica read>"


def patient() -> Setting:
    """A setting whose replica is waited for as long as it takes."""
    setting = Setting()
    setting.replica = Replica(
        setting.server, setting.primary, setting.revision, clock=lambda: setting.now
    )
    return setting


async def _settle() -> None:
    """Let all tasks run as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)
