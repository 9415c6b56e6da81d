"""Moves the ledgers of a month to files: seals its events, writes, checks, and only then deletes.

Rules

1. An event is sealed before anything of it is written out: nothing changes it any more, so what is
   written is what is deleted. One that differs from its ledger is left where it is.
2. Each step is committed, and is found again by whoever runs next. Nothing is cleaned up on the
   way out, so a run that was killed and one that failed leave the same behind.
3. Rows are deleted once the files are under their name and were read back.
4. It yields to sales: a statement works on a bounded number of rows, and is followed by a rest of
   its own length. (Copying is not, for compressing what was copied takes longer.)
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from db.archive_rows import Archive, Month, Place, ledger_spans
from db.archive_store import (
    ADD_UP_EVENTS,
    COPY_CHANGES,
    COPY_ROWS,
    DELETE_ROWS,
    HOLD_ROWS,
    LEDGER_ROWS,
    PAGE_EVENTS,
    ArchiveStore,
)
from db.event_check import Replayed
from db.ledger_proofs import LedgerProofs
from db.ledger_rows import columns
from db.statements import Statement
from evently.archive.files import (
    CHANGES,
    FORM,
    HOLDS,
    LEDGER,
    ArchiveError,
    ArchiveFile,
    FileNote,
    Manifest,
    archives_in,
    begin_folder,
    check_folder,
    end_folder,
    read_manifest,
    size_of,
)
from evently.domain.value import value

# Shows how far a step is: its name, its whole, and a function to tell of a part that is done.
Progress: TypeAlias = Callable[[str, int, str], AbstractContextManager[Callable[[int], object]]]
T = TypeVar("T")
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
# The n-th archive of a month has a number in its name; so many would be somebody's loop.
NAMES_MAX = 1000


@value
class Archived:
    """What one archive holds, and where its files are."""

    folder: Path
    events: int
    versions: int


class Archiver:
    """Archives into the directory `to`. `report` hears of each event that is left where it is."""

    def __init__(
        self,
        store: ArchiveStore,
        proofs: LedgerProofs,
        to: Path,
        *,
        progress: Progress,
        report: Callable[[Replayed], object],
        copy_rows: int = COPY_ROWS,
        delete_rows: int = DELETE_ROWS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._proofs = proofs
        self._to = to
        self._progress = progress
        self._report = report
        self._copy_rows = copy_rows
        self._delete_rows = delete_rows
        self._sleep = sleep

    async def plan(self, before: date) -> tuple[list[Archive], list[Month]]:
        """The archives before a month that were begun, and the months to be archived.

        Raises ArchiveError if the month is not over, or the directory is not this database's.
        """
        place = await self._store.place()
        check_turn(place)
        if before > place.this_month:
            raise ArchiveError(
                f"{before:%Y-%m} is still to come: archive what ended before this month with "
                f"--before {place.this_month:%Y-%m}"
            )
        for folder, manifest in archives_in(self._to):
            if manifest.database != place.database:
                raise ArchiveError(
                    f"{folder} is an archive of another database ({manifest.database}; this is "
                    f"{place.database}): name another directory with --to"
                )
        begun = [one for one in await self._store.open_archives() if one.month < before]
        return begun, await self._store.months(_start(before))

    async def run(self, before: date) -> list[Archived]:
        """Archive what ended before the month `before`; what an earlier run left is done first.

        Raises ArchiveError, or the faults of the database.
        """
        begun, months = await self.plan(before)
        done = [await self._go_on(archive) for archive in begun]
        for month in months:
            # What was begun has sealed some of them, and may have sealed all.
            if await self._final(month.month):
                name = await self._free_name(month.month)
                done.append(await self._go_on(await self._store.begin(month.month, name)))
        return [one for one in done if one is not None]

    async def _free_name(self, month: date) -> str:
        taken = await self._store.names()
        for number in range(1, NAMES_MAX + 1):
            name = f"{month:%Y-%m}" if number == 1 else f"{month:%Y-%m}.{number}"
            if name not in taken and not (self._to / name).exists():
                return name
        raise ArchiveError(f"{self._to} has {NAMES_MAX} archives of {month:%Y-%m}")

    async def _go_on(self, archive: Archive) -> Archived | None:
        """Do what is left of an archive; None if no event of it could be sealed."""
        folder = self._folder_of(archive)
        if folder is None and archive.written:
            raise ArchiveError(
                f"the files of {archive.name} were written, and are not in {self._to}: name the "
                "directory that has them with --to"
            )
        if folder is None:
            await self._seal(archive)
            if not await self._store.sealed(archive):
                await self._store.forget(archive)
                return None
            await self._add_up(archive)
            folder = await self._write(archive)
        else:
            self._check(folder)
        if not archive.written:
            await self._store.note_written(archive)
        return await self._delete(archive, folder)

    def _folder_of(self, archive: Archive) -> Path | None:
        for folder, manifest in archives_in(self._to):
            if manifest.archive_id == archive.archive_id:
                return folder
        return None

    def _check(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        with self._progress(f"check {folder.name}", size_of(manifest), "B") as advance:
            check_folder(folder, advance)

    async def _final(self, month: date) -> list[UUID]:
        return await self._store.final_events(_start(month), _start(_next(month)))

    async def _seal(self, archive: Archive) -> None:
        """Replay the ledgers of the month's events, and seal those that are right."""
        event_ids = await self._final(archive.month)
        with self._progress(f"seal {archive.name}", len(event_ids), " events") as advance:
            for first in range(0, len(event_ids), PAGE_EVENTS):
                page = event_ids[first : first + PAGE_EVENTS]
                left = await self._proofs.final(page)
                while left:
                    whole, left = await gently(self._proofs.advance(left), self._sleep)
                    right = []
                    for replayed in whole:
                        if replayed.differences():
                            self._report(replayed)
                        elif replayed.ledger is not None:
                            right.append((replayed.event_id, replayed.ledger))
                    # One that a return has moved meanwhile is for the next run.
                    await self._store.seal(archive, right)
                advance(len(page))

    async def _add_up(self, archive: Archive) -> None:
        """Keep the sums of sales by day, which are made of the ledger."""
        events = await self._store.sealed(archive)
        with self._progress(f"add up {archive.name}", len(events), " events") as advance:
            for first in range(0, len(events), ADD_UP_EVENTS):
                page = events[first : first + ADD_UP_EVENTS]
                await gently(self._store.keep_sales(page), self._sleep)
                advance(len(page))

    async def _write(self, archive: Archive) -> Path:
        """Write the files, and read them back."""
        events = await self._store.sealed(archive)
        begins_at, changes = await self._store.expired_changes(_start(_next(archive.month)))
        place = await self._store.place()
        folder = begin_folder(self._to, archive.name)
        rows = sum(one.versions + one.holds for one in events) + changes
        ledger = ledger_spans(events, self._copy_rows)
        holds = await self._store.hold_spans(events, self._copy_rows)
        pieces: dict[str, tuple[Statement, Sequence[Sequence[Any]]]] = {
            LEDGER: (LEDGER_ROWS.copy, [columns(spans) for spans in ledger]),
            HOLDS: (HOLD_ROWS.copy, [columns(spans) for spans in holds]),
            CHANGES: (
                COPY_CHANGES,
                await self._store.change_spans(begins_at, self._copy_rows),
            ),
        }
        with self._progress(f"write {archive.name}", rows, " rows") as advance:
            notes = {
                name: await self._write_file(folder / name, what, parts, advance)
                for name, (what, parts) in pieces.items()
            }
        manifest = Manifest(
            FORM,
            archive.archive_id,
            place.database,
            f"{archive.month:%Y-%m}",
            place.migration,
            len(events),
            begins_at,
            notes,
        )
        with self._progress(f"check {archive.name}", size_of(manifest), "B") as advance:
            return end_folder(folder, manifest, advance)

    async def _write_file(
        self,
        path: Path,
        what: Statement,
        pieces: Sequence[Sequence[Any]],
        advance: Callable[[int], object],
    ) -> FileNote:
        with ArchiveFile(path, await self._store.header(what)) as file:
            for arguments in pieces:
                rows = await self._store.copy(what, arguments, file.write)
                file.end(rows)
                advance(rows)
            return file.sync()

    async def _delete(self, archive: Archive, folder: Path) -> Archived:
        """Delete what the files have, a little at a time."""
        manifest = read_manifest(folder)
        events = await self._store.sealed(archive)
        ledger = ledger_spans(events, self._delete_rows)
        holds = await self._store.hold_spans(events, self._delete_rows)
        await self._store.expire_changes(manifest.feed_begins_at)
        changes = await self._store.change_spans(manifest.feed_begins_at, self._delete_rows)
        steps = len(ledger) + len(holds) + len(changes)
        with self._progress(f"delete {archive.name}", steps, " steps") as advance:
            for spans in ledger:
                await gently(self._store.delete(LEDGER_ROWS, archive, spans), self._sleep)
                advance(1)
            for spans in holds:
                await gently(self._store.delete(HOLD_ROWS, archive, spans), self._sleep)
                advance(1)
            for after, upto in changes:
                await gently(self._store.delete_changes(after, upto), self._sleep)
                advance(1)
        await self._store.end(archive)
        return Archived(folder, len(events), sum(one.versions for one in events))


async def gently(step: Awaitable[T], sleep: Sleep) -> T:
    """What the step gives, after a rest that is as long as it took."""
    started_s = time.monotonic()
    done = await step
    await sleep(time.monotonic() - started_s)
    return done


def check_turn(place: Place) -> None:
    """Raise ArchiveError if this role may not archive, or another session does."""
    if not place.may_archive:
        raise ArchiveError(
            f"the role {place.role} may not take rows out of the ledger: archive as the tables' "
            "owner, with which `evently migrate` runs"
        )
    if not place.alone:
        raise ArchiveError("another `evently archive` works on this database: wait for it")


def _start(month: date) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=UTC)


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
