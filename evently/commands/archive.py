"""The command `archive`: moves the ledgers of months that are over to files, and back.

Rule: it says on stderr what it does and how far it is, and on stdout what came of it.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

import click
from tqdm import tqdm

from db.archive_rows import Archive, Month
from db.archive_store import ArchiveStore
from db.event_check import Replayed
from db.ledger_proofs import LedgerProofs
from evently.archive.archiver import Archived, Archiver
from evently.archive.files import ArchiveError
from evently.archive.restorer import Restorer
from evently.commands.database import migrated_dsn, telling_why
from evently.commands.verify import line_of
from evently.settings import Settings, load_settings

# Below EVENTLY_DATA_DIR.
FOLDER = "archives"

HELP = """Move the ledgers of events that are over to files, month by month.

Takes the events that ended before the month that --before names (in UTC), were published or
cancelled, and have no seats in holds. Each month gets a directory of its own under --to: compressed
CSV of the events' ledgers and holds, and of the feed of changes until then, and a manifest with the
SHA-256 of each. The files are read back before anything is deleted. What a ledger came to stays in
the database, so `evently verify`, totals and sales by day hold.

Nothing changes an archived event any more: returns of its seats are refused. So archive months
whose refunds are done. A cursor of the feed from before is answered 410.

Runs beside the service, as the owner of the tables, once every node has this release. An
interrupted run is finished by the next one. An event that differs from its ledger is named and left
where it is; the exit code is 1 then. --restore puts an archive back, after which its events may
change again.

\b
Examples:
  evently archive --before 2026-01 --dry-run
  evently archive --before 2026-01 --to /archives
  evently archive --restore /archives/2025-12
"""


@click.command(help=HELP, short_help="Move ledgers of events that are over to files.")
@click.option(
    "--before",
    metavar="YYYY-MM",
    type=click.DateTime(["%Y-%m"]),
    help="Archive what ended before this month.",
)
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where archives are kept.  [default: archives in EVENTLY_DATA_DIR]",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be archived.")
@click.option(
    "--restore",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Put the archive in this directory back.",
)
def archive(
    before: datetime | None, to: Path | None, restore: Path | None, *, dry_run: bool
) -> None:
    """Archive months, or restore an archive."""
    if (before is None) == (restore is None):
        raise click.UsageError("give either --before or --restore")
    if restore is not None and (to is not None or dry_run):
        raise click.UsageError("--to and --dry-run go with --before")
    with telling_why():
        settings = load_settings(serving=False)
        try:
            if restore is not None:
                asyncio.run(_restore(settings, restore.absolute()))
            elif before is not None:
                folder = (to or settings.data_dir / FOLDER).absolute()
                asyncio.run(_archive(settings, before.date(), folder, dry_run=dry_run))
        except ArchiveError as error:
            raise click.ClickException(str(error)) from error


async def _archive(settings: Settings, before: date, to: Path, *, dry_run: bool) -> None:
    differing: list[Replayed] = []

    def report(replayed: Replayed) -> None:
        differing.append(replayed)
        tqdm.write(line_of(replayed))

    async with migrated_dsn(settings) as dsn:
        # The turn of archiving is held by a session, which a pooler may hand to somebody else.
        direct = settings.commit_dsn(dsn)
        async with ArchiveStore(direct) as store, LedgerProofs(direct) as proofs:
            archiver = Archiver(store, proofs, to, progress=progress, report=report)
            if dry_run:
                _say_plan(*await archiver.plan(before))
                return
            _say_done(await archiver.run(before), before)
    if differing:
        click.echo(f"{len(differing)} events differ from their ledger and stay where they are")
        sys.exit(1)


def _say_plan(begun: Sequence[Archive], months: Sequence[Month]) -> None:
    for one in begun:
        click.echo(f"{one.name}: was begun, and would be finished")
    for month in months:
        click.echo(f"{month.month:%Y-%m}: {month.events} events, {month.versions} versions")
    if not begun and not months:
        click.echo("nothing to archive")


def _say_done(archived: Sequence[Archived], before: date) -> None:
    for one in archived:
        click.echo(f"{one.folder}: {one.events} events, {one.versions} versions")
    if not archived:
        click.echo(f"nothing to archive that ended before {before:%Y-%m}")


async def _restore(settings: Settings, folder: Path) -> None:
    async with (
        migrated_dsn(settings) as dsn,
        ArchiveStore(settings.commit_dsn(dsn)) as store,
    ):
        events = await Restorer(store, progress=progress).run(folder)
    if events:
        click.echo(f"restored {events} events from {folder}: run `evently verify` next")
    else:
        click.echo(f"nothing to restore: no event in {folder} is archived in this database")


@contextmanager
def progress(what: str, whole: int, unit: str) -> Iterator[Callable[[int], object]]:
    """A bar on the terminal's last line."""
    scale = unit == "B"
    with tqdm(
        total=whole, desc=what, unit=unit, unit_scale=scale, disable=None, leave=False
    ) as bar:
        yield bar.update
