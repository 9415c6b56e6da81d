"""Puts an archive back: its rows first, and then its events may change again.

Rule: rows are put back where they are missing, so a run that was interrupted is simply repeated.
What an archive took from the feed of changes stays in its file: whoever follows that is past it.
"""

import asyncio
from pathlib import Path

from db.archive_rows import Archive
from db.archive_store import HOLD_ROWS, LEDGER_ROWS, PAGE_EVENTS, ArchiveStore
from evently.archive.archiver import Progress, Sleep, check_turn, gently
from evently.archive.files import (
    HOLDS,
    LEDGER,
    ArchiveError,
    Manifest,
    check_folder,
    columns_in,
    members,
    read_manifest,
    size_of,
)


class Restorer:
    """Restores archives from their folders."""

    def __init__(
        self, store: ArchiveStore, *, progress: Progress, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._store = store
        self._progress = progress
        self._sleep = sleep

    async def run(self, folder: Path) -> int:
        """Restore the archive in `folder`; how many events that were, 0 if none is archived.

        Raises ArchiveError, or the faults of the database.
        """
        manifest = read_manifest(folder)
        place = await self._store.place()
        check_turn(place)
        if manifest.database != place.database:
            raise ArchiveError(
                f"{folder} is an archive of another database ({manifest.database}; this is "
                f"{place.database})"
            )
        if manifest.migration > place.migration:
            raise ArchiveError(
                f"{folder} was written at migration {manifest.migration}, and the database is at "
                f"{place.migration}: run `evently migrate` of the newer release first"
            )
        archive = await self._store.find(manifest.archive_id)
        if archive is None:
            return 0
        with self._progress(f"check {archive.name}", size_of(manifest), "B") as advance:
            check_folder(folder, advance)
        await self._put_back(archive, folder, manifest)
        return await self._unseal(archive)

    async def _put_back(self, archive: Archive, folder: Path, manifest: Manifest) -> None:
        await self._store.reopen(archive)
        files = {LEDGER: LEDGER_ROWS, HOLDS: HOLD_ROWS}
        size = sum(manifest.files[name].bytes for name in files)
        with self._progress(f"restore {archive.name}", size, "B") as advance:
            for name, into in files.items():
                pieces = members(folder / name)
                header, header_bytes = next(pieces)
                advance(header_bytes)
                columns = columns_in(header)
                for rows, size in pieces:
                    step = self._store.put_back(archive, into, columns, rows)
                    await gently(step, self._sleep)
                    advance(size)

    async def _unseal(self, archive: Archive) -> int:
        events = await self._store.sealed(archive)
        for first in range(0, len(events), PAGE_EVENTS):
            page = [one.event_id for one in events[first : first + PAGE_EVENTS]]
            whole = await self._store.unseal(archive, page)
            if whole < len(page):
                raise ArchiveError(
                    f"{len(page) - whole} events of {archive.name} lack rows that its files have "
                    "not: they stay archived"
                )
        await self._store.forget(archive)
        return len(events)
