"""`evently archive`: what is over goes to files and comes back, whatever interrupts it."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from click.testing import CliRunner, Result

from db.archive_store import ArchiveStore
from db.database import Database
from db.event_check import EventCheck, Replayed
from db.event_inventory import EventInventory
from db.event_ledger import EventLedger, SalesByDay
from db.ledger_proofs import LedgerProofs
from evently.archive.archiver import Archived, Archiver
from evently.archive.files import CHANGES, HOLDS, LEDGER, ArchiveError, read_manifest
from evently.archive.restorer import Restorer
from evently.cli import main
from evently.commands.archive import progress
from evently.domain.commands import Confirm, PlaceHold, Release, Reserve, Return, Update
from evently.domain.holdbacks import Holdback
from evently.domain.holds import hold_id_of
from evently.domain.outcomes import Done, NotModifiable
from evently.drift import DriftCheck
from tests.integration.two_owners import ADMIN, Pair

MONTH = date(2026, 3, 1)
BEFORE = date(2026, 4, 1)
AGE_EVENT = """
UPDATE events SET start_datetime = $2::timestamptz - interval '3 hours', end_datetime = $2
 WHERE event_id = $1
"""
AGE_CHANGES = "UPDATE event_changes SET recorded_at = $1"
# What an archive moves, whole and in order.
CONTENT = {
    "event_ledger": "SELECT l::text FROM event_ledger AS l ORDER BY event_id, version",
    "event_holds": "SELECT h::text FROM event_holds AS h ORDER BY event_id, hold_id",
}


class Killed(BaseException):
    """The process is no more."""


class Stage:
    """Events that two owners sold and that are over, and what is done with their ledgers."""

    def __init__(self, url: str, pair: Pair, to: Path) -> None:
        self.url = url
        self.pair = pair
        self.to = to
        self.reported: list[Replayed] = []

    async def event(self, ended: datetime | None = None, seats: int = 20) -> str:
        """One that was sold, held and returned, and ended in March unless another time is given."""
        event_id = await self.pair.event(seats)
        await self.sell(event_id)
        await self.age(event_id, ended or datetime(2026, 3, 14, 22, tzinfo=UTC))
        return event_id

    async def sell(self, event_id: str) -> None:
        """Reserve with a key, return, hold three times, confirm one and release the others."""
        ask = self.pair.persist
        assert isinstance(await ask(0, event_id, Reserve(3, None), "first"), Done)
        assert isinstance(await ask(0, event_id, Return(1, None), "back"), Done)
        for key in ("h1", "h2", "h3"):
            hold = PlaceHold(hold_id_of(event_id, "test", key), 2, 60, "b-1", None)
            assert isinstance(await ask(0, event_id, hold, key), Done)
        for key, step in (("h1", Confirm), ("h2", Release), ("h3", Release)):
            hold_id = hold_id_of(event_id, "test", key)
            assert isinstance(await ask(0, event_id, step(hold_id), f"{key} ends"), Done)

    async def age(self, event_id: str, ended: datetime) -> None:
        """Let the event have ended then."""
        await self.pair.sql(AGE_EVENT, event_id, ended)

    async def content(self) -> dict[str, list[str]]:
        """Every row that an archive may move."""
        return {
            table: [row[0] for row in await self.pair.sql(sql)] for table, sql in CONTENT.items()
        }

    async def archive(
        self, before: date = BEFORE, *, to: Path | None = None, dying: "Dying | None" = None
    ) -> list[Archived]:
        """Archive, in pieces of a few rows; `dying` ends it somewhere."""
        async with ArchiveStore(self.url) as store, LedgerProofs(self.url) as proofs:
            used = cast(ArchiveStore, dying.over(store)) if dying else store
            return await Archiver(
                used,
                proofs,
                to or self.to,
                progress=progress,
                report=self.reported.append,
                copy_rows=6,
                delete_rows=6,
                sleep=_at_once,
            ).run(before)

    async def restore(self, name: str = "2026-03", *, dying: "Dying | None" = None) -> int:
        """Restore the archive of that name."""
        async with ArchiveStore(self.url) as store:
            used = cast(ArchiveStore, dying.over(store)) if dying else store
            restorer = Restorer(used, progress=progress, sleep=_at_once)
            return await restorer.run(self.to / name)

    async def verified(self) -> list[str]:
        """What `verify` finds."""
        async with EventCheck(self.url) as check:
            pages = [page async for page in check.pages()]
        return [line for page in pages for one in page for line in one.differences()]

    async def differing(self) -> list[str]:
        """What `verify` and the drift check find."""
        found = await self.verified()
        drift = DriftCheck(self.url, sleep=_at_once)
        assert await drift.check_all()
        assert drift.events == len(found)
        return found

    async def reports(self, event_id: str) -> tuple[Any, Any]:
        """Sales by day and the inventory."""
        async with Database(self.url) as database:
            days = await EventLedger(database).by_day(event_id)
            assert isinstance(days, SalesByDay)
            return days.days, await EventInventory(database).find(event_id)

    async def command(self, *arguments: str) -> Result:
        """Run `evently archive`."""
        environ = {"EVENTLY_DATABASE_URL": self.url, "EVENTLY_DATA_DIR": str(self.to.parent)}
        return await asyncio.to_thread(CliRunner(env=environ).invoke, main, ["archive", *arguments])


class Dying:
    """Lets a store do `calls` calls, and the next one fully or, if `before`, not at all."""

    def __init__(self, calls: int, *, before: bool) -> None:
        self.left = calls
        self._before = before
        self._store: Any = None

    def over(self, store: ArchiveStore) -> "Dying":
        self._store = store
        return self

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*arguments: Any) -> Any:
            self.left -= 1
            if self.left < 0 and self._before:
                raise Killed
            answer = await method(*arguments)
            if self.left < 0:
                raise Killed
            return answer

        return call


async def _at_once(_: float) -> None: ...


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        pair = Pair(database_url)
        await pair.start(stack)
        yield Stage(database_url, pair, tmp_path / "archives")


def rows_in(path: Path) -> list[str]:
    """The lines of a compressed file, without the names of its columns."""
    return gzip.decompress(path.read_bytes()).decode().splitlines()[1:]


async def test_a_month_goes_to_files_and_all_that_is_told_of_it_stays(stage: Stage) -> None:
    event_id, other = await stage.event(), await stage.event()
    kept = await stage.event(ended=datetime(2026, 4, 1, tzinfo=UTC))
    before = [await stage.reports(one) for one in (event_id, other, kept)]

    (archived,) = await stage.archive()

    assert (archived.folder, archived.events) == (stage.to / "2026-03", 2)
    content = await stage.content()
    assert len(content["event_ledger"]) == archived.versions // 2
    assert len(content["event_holds"]) == 3
    assert all(kept in row for rows in content.values() for row in rows)
    assert await stage.differing() == []
    assert [await stage.reports(one) for one in (event_id, other, kept)] == before
    manifest = read_manifest(archived.folder)
    assert manifest.events == 2
    for name, rows in ((LEDGER, archived.versions), (HOLDS, 6)):
        assert manifest.files[name].rows == rows == len(rows_in(archived.folder / name))
    async with Database(stage.url) as database:
        ledger = EventLedger(database)
        sales = await ledger.sales(event_id)
        assert sales is not None
        assert sales.archived
        assert await ledger.history(event_id, sales.version, 20, 0) == ()
        still = await ledger.sales(kept)
        assert still is not None
        assert not still.archived
    assert await stage.archive() == []


async def test_the_key_of_an_archived_move_never_acts_again(stage: Stage) -> None:
    event_id = await stage.event()
    await stage.archive()
    row = await stage.pair.sql("SELECT * FROM events WHERE event_id = $1", event_id)
    for which in (0, 1):
        for command, key in (
            (Return(1, None), "back"),
            (Return(1, None), "new"),
            (Reserve(3, None), "first"),
            (Release(hold_id_of(event_id, "test", "h2")), "h2 ends"),
        ):
            answer = await stage.pair.persist(which, event_id, command, key)
            if isinstance(answer, Done):
                # Its owner remembers that it was done.
                assert (which, answer.replayed) == (0, True)
                assert key != "new"
            else:
                assert isinstance(answer, NotModifiable), (command, answer)
    (now,) = await stage.pair.sql("SELECT * FROM events WHERE event_id = $1", event_id)
    assert {**now, "fence": 0} == {**row[0], "fence": 0}
    assert await stage.differing() == []


async def test_a_restored_month_is_what_it_was_and_its_keys_are_known(stage: Stage) -> None:
    event_id = await stage.event()
    before = await stage.content()
    reports = await stage.reports(event_id)
    await stage.archive()
    refused = await stage.pair.persist(1, event_id, Return(1, None), "back")
    assert isinstance(refused, NotModifiable)

    assert await stage.restore() == 1

    assert await stage.content() == before
    assert await stage.differing() == []
    assert await stage.reports(event_id) == reports
    again = await stage.pair.persist(0, event_id, Return(1, None), "back")
    assert isinstance(again, Done)
    assert await stage.content() == before
    assert isinstance(await stage.pair.persist(1, event_id, Return(1, None), "new"), Done)
    assert await stage.restore() == 0
    (second,) = await stage.archive()
    assert second.folder == stage.to / "2026-03.2"
    assert await stage.differing() == []


async def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next(stage: Stage) -> None:
    await stage.event()
    await stage.pair.sql(AGE_CHANGES, datetime(2026, 3, 2, tzinfo=UTC))
    content = await stage.content()
    for step in range(1000):
        dying = Dying(step, before=True)
        try:
            await stage.archive(dying=dying)
        except Killed:
            assert await stage.verified() == []
            done = await stage.archive()
            assert len(done) <= 1
        assert await stage.verified() == []
        assert await stage.content() == {table: [] for table in CONTENT}
        assert await stage.pair.sql("SELECT FROM event_changes") == []
        (folder,) = stage.to.iterdir()
        manifest = read_manifest(folder)
        assert manifest.events == 1
        assert len(rows_in(folder / LEDGER)) == len(content["event_ledger"])
        assert await stage.restore(folder.name) == 1
        assert await stage.content() == content
        _remove(folder)
        if dying.left >= 0:
            assert step > 15
            return


async def test_a_restore_that_is_killed_at_any_step_is_finished_by_the_next(stage: Stage) -> None:
    await stage.event()
    content = await stage.content()
    for step in range(1000):
        (archived,) = await stage.archive()
        dying = Dying(step, before=True)
        try:
            await stage.restore(archived.folder.name, dying=dying)
        except Killed:
            assert await stage.verified() == []
            await stage.restore(archived.folder.name)
        assert await stage.content() == content
        assert await stage.verified() == []
        _remove(archived.folder)
        if dying.left >= 0:
            assert step > 8
            return


async def test_a_restore_that_was_interrupted_is_taken_back_by_archiving(stage: Stage) -> None:
    await stage.event()
    await stage.archive()
    with pytest.raises(Killed):
        await stage.restore(dying=Dying(5, before=False))
    assert (await stage.content())["event_ledger"]
    (again,) = await stage.archive()
    assert again.folder == stage.to / "2026-03"
    assert await stage.content() == {table: [] for table in CONTENT}
    assert await stage.restore() == 1


async def test_what_may_still_change_stays(stage: Stage) -> None:
    held, draft, coming = [await stage.event() for _ in range(3)]
    last = datetime(2026, 3, 14, tzinfo=UTC)
    await stage.pair.sql("UPDATE events SET status = 'draft' WHERE event_id = $1", draft)
    await stage.age(coming, datetime.now(UTC) + timedelta(hours=1))
    await stage.age(held, datetime.now(UTC) + timedelta(days=1))
    await stage.pair.sql(
        "UPDATE events SET start_datetime = end_datetime - interval '1 hour' WHERE event_id = $1",
        held,
    )
    hold = PlaceHold(hold_id_of(held, "test", "h4"), 2, 60, "b-1", None)
    await stage.pair.sql("UPDATE events SET fence = fence + 1 WHERE event_id = $1", held)
    await asyncio.sleep(0)
    assert isinstance(await stage.pair.persist(1, held, hold, "h4"), Done)
    await stage.age(held, last)
    content = await stage.content()
    assert await stage.archive(datetime.now(UTC).date().replace(day=1)) == []
    assert await stage.content() == content
    rows = await stage.pair.sql("SELECT FROM events WHERE archived_version > 0")
    assert rows == []


async def test_an_event_with_a_block_waits_until_it_is_freed(stage: Stage) -> None:
    event_id = await stage.pair.event(20)
    blocks = (Holdback("press", 2, None),)
    keep_back = Update(ADMIN, False, 2, {"holdbacks": blocks}, 10_000)
    assert isinstance(await stage.pair.ask(0, event_id, keep_back), Done)
    await stage.age(event_id, datetime(2026, 3, 14, tzinfo=UTC))
    release = "UPDATE events SET next_release_at = $2 WHERE event_id = $1"
    await stage.pair.sql(release, event_id, datetime.now(UTC))
    assert await stage.archive() == []
    await stage.pair.sql(release, event_id, None)
    content = await stage.content()
    assert len(await stage.archive()) == 1
    assert await stage.differing() == []
    assert await stage.restore() == 1
    assert await stage.content() == content


async def test_an_event_that_differs_is_named_and_stays(stage: Stage) -> None:
    event_id, right = await stage.event(), await stage.event()
    await stage.pair.sql("UPDATE events SET revenue = 1 WHERE event_id = $1", event_id)
    done = await stage.command("--before", "2026-04", "--to", str(stage.to))
    assert done.exit_code == 1
    assert f"{event_id}: revenue is 1.00 in the row" in done.output
    assert "1 events differ from their ledger and stay where they are" in done.output
    content = await stage.content()
    assert content["event_ledger"]
    assert all(event_id in row for row in content["event_ledger"])
    rows = await stage.pair.sql("SELECT event_id FROM events WHERE archived_version > 0")
    assert [str(row["event_id"]) for row in rows] == [right]


async def test_nobody_moves_an_archived_event_by_hand(stage: Stage) -> None:
    event_id = await stage.event()
    await stage.archive()
    with pytest.raises(asyncpg.CheckViolationError, match="events_archived_never_change"):
        await stage.pair.sql(
            "UPDATE events SET version = version + 1 WHERE event_id = $1", event_id
        )


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(stage: Stage) -> None:
    await stage.event()
    content = await stage.content()
    said = await stage.command("--before", "2026-04", "--dry-run")
    assert said.exit_code == 0
    assert "2026-03: 1 events, 10 versions" in said.output
    assert "database: " in said.output
    assert await stage.content() == content
    assert not stage.to.exists()
    said = await stage.command("--before", "2026-03", "--dry-run")
    assert "nothing to archive" in said.output


async def test_the_command_archives_where_the_data_is_and_restores(stage: Stage) -> None:
    event_id = await stage.event()
    content = await stage.content()
    done = await stage.command("--before", "2026-04")
    assert done.exit_code == 0, done.output
    assert f"{stage.to / '2026-03'}: 1 events, 10 versions" in done.output
    assert event_id in rows_in(stage.to / "2026-03" / LEDGER)[0]
    done = await stage.command("--restore", str(stage.to / "2026-03"))
    assert done.exit_code == 0, done.output
    assert "restored 1 events" in done.output
    assert await stage.content() == content
    done = await stage.command("--restore", str(stage.to / "2026-03"))
    assert "nothing to restore" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --before or --restore"),
        (("--before", "2026-04", "--restore", "x"), "give either --before or --restore"),
        (("--restore", "x", "--dry-run"), "--to and --dry-run go with --before"),
        (("--before", "2026"), "Invalid value for '--before'"),
        (("--before", "2999-01"), "2999-01 is still to come"),
        (("--restore", "/nowhere"), "/nowhere is no archive: it has no manifest.json"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    stage: Stage, arguments: tuple[str, ...], said: str
) -> None:
    done = await stage.command(*arguments)
    assert done.exit_code != 0
    assert said in done.output


async def test_the_month_that_goes_on_is_refused_and_the_one_before_is_not(stage: Stage) -> None:
    this = datetime.now(UTC).date().replace(day=1)
    coming = (this + timedelta(days=31)).replace(day=1)
    done = await stage.command("--before", f"{coming:%Y-%m}")
    assert done.exit_code == 1
    assert f"--before {this:%Y-%m}" in done.output
    assert (await stage.command("--before", f"{this:%Y-%m}")).exit_code == 0


@contextmanager
def changed(path: Path, old: bytes, new: bytes) -> Iterator[None]:
    content = path.read_bytes()
    path.write_bytes(content.replace(old, new) if old else content[:-9] + new)
    yield
    path.write_bytes(content)


async def test_an_archive_of_another_database_is_refused(stage: Stage) -> None:
    await stage.event()
    await stage.archive()
    manifest = stage.to / "2026-03" / "manifest.json"
    database = json.loads(manifest.read_text())["database"].encode()
    with changed(manifest, database, b"0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10"):
        with pytest.raises(ArchiveError, match=r"another database .* name another directory"):
            await stage.archive()
        with pytest.raises(ArchiveError, match="is an archive of another database"):
            await stage.restore()


async def test_a_damaged_file_is_refused_and_nothing_is_deleted_for_it(stage: Stage) -> None:
    await stage.event()
    content = await stage.content()
    calls = 0
    # Killed once the folder has its name, before that is noted.
    while not (stage.to / "2026-03").exists():
        with pytest.raises(Killed):
            await stage.archive(dying=Dying(calls, before=True))
        calls += 1
    with (
        changed(stage.to / "2026-03" / LEDGER, b"", b"damaged!!"),
        pytest.raises(ArchiveError, match=r"ledger\.csv\.gz is damaged: its SHA-256"),
    ):
        await stage.archive()
    assert await stage.content() == content
    await stage.archive()
    with (
        changed(stage.to / "2026-03" / HOLDS, b"", b"damaged!!"),
        pytest.raises(ArchiveError, match=r"holds\.csv\.gz is damaged: its SHA-256"),
    ):
        await stage.restore()
    assert await stage.restore() == 1


async def test_files_that_were_moved_away_are_asked_for(stage: Stage, tmp_path: Path) -> None:
    await stage.event()
    await stage.archive()
    with pytest.raises(Killed):
        await stage.restore(dying=Dying(5, before=False))
    with pytest.raises(ArchiveError, match="the files of 2026-03 were written, and are not in"):
        await stage.archive(to=tmp_path / "elsewhere")


async def test_one_session_archives_at_a_time(stage: Stage) -> None:
    await stage.event()
    async with ArchiveStore(stage.url) as other:
        assert (await other.place()).alone
        with pytest.raises(ArchiveError, match="another `evently archive` works on this"):
            await stage.archive()
    assert len(await stage.archive()) == 1


async def test_a_replay_that_an_archive_overtakes_finds_no_difference(stage: Stage) -> None:
    event_id = await stage.event()
    async with LedgerProofs(stage.url, versions_max=4) as proofs:
        (standings,) = [one async for one in proofs.slices()]
        whole, left = await proofs.advance(standings)
        assert not whole
        await stage.archive()
        while left:
            whole, left = await proofs.advance(left)
        assert [(one.event_id, one.differences()) for one in whole] == [(event_id, [])]


async def test_changes_of_the_feed_go_with_the_month_they_are_from(stage: Stage) -> None:
    event_id = await stage.event()
    await stage.pair.sql(AGE_CHANGES, datetime(2026, 3, 31, 23, tzinfo=UTC))
    kept = await stage.event(ended=datetime(2026, 4, 2, tzinfo=UTC))
    (archived,) = await stage.archive()
    (change,) = rows_in(archived.folder / CHANGES)
    assert event_id in change
    rows = await stage.pair.sql("SELECT event_id FROM event_changes")
    assert [str(row["event_id"]) for row in rows] == [kept]


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


async def test_a_role_that_may_not_delete_is_refused_before_anything_is_sealed(
    stage: Stage,
) -> None:
    await stage.event()
    role = f"role_{uuid4().hex}"
    await stage.pair.sql(f"CREATE ROLE {role} LOGIN")
    await stage.pair.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    owner, stage.url = stage.url, stage.url.replace("postgres@", f"{role}@")
    with pytest.raises(ArchiveError, match=f"the role {role} may not take rows out"):
        await stage.archive()
    stage.url = owner
    assert await stage.pair.sql("SELECT FROM events WHERE archived_version > 0") == []
    assert await stage.pair.sql("SELECT FROM archives") == []
