"""The command `verify`: compares every event with its ledger.

Rule: it only reads, and can run at any time beside the service. On stdout it prints one line for
each event that differs, and a summary as the last line.
"""

import asyncio
import sys
from collections.abc import Callable

import click
from tqdm import tqdm

from db.event_check import EventCheck, Replayed
from evently.commands.database import migrated_dsn, telling_why
from evently.domain.value import value
from evently.settings import Settings, load_settings


@value
class Verified:
    """How many events and versions were checked, and how many events differ."""

    events: int
    versions: int
    differing: int


async def verify_events(
    check: EventCheck,
    report: Callable[[str], object],
    advance: Callable[[int], object] = lambda events: None,
) -> Verified:
    """Check every event: call `report` for each that differs, `advance` with the events done."""
    events = versions = differing = 0
    async for page in check.pages():
        for replayed in page:
            versions += replayed.ledger.versions if replayed.ledger is not None else 0
            if found := replayed.differences():
                differing += 1
                report(f"{replayed.event_id}: {'; '.join(found)}")
        here = _rows(page)
        events += here
        advance(here)
    return Verified(events, versions, differing)


def _rows(page: list[Replayed]) -> int:
    return sum(replayed.row is not None for replayed in page)


HELP = """Compare every event with its ledger.

The ledger has one row for every version of an event. The command adds up each event's ledger and
compares: the version, and that none is missing; the available seats, now and at every version; the
capacity; the revenue; the status. It also finds ledgers without an event and events without a
ledger.

Prints one line for each event that differs, and a summary. Exits with 1 if any event differs or the
database cannot be read. It changes nothing and can run beside the service. An embedded database
that is not running is started for the time of the check.

\b
Examples:
  evently verify
  EVENTLY_DATA_DIR=/srv/evently evently verify
"""


@click.command(help=HELP)
def verify() -> None:
    """Check every event, print what differs, exit with 1 if anything does."""
    with telling_why():
        verified = asyncio.run(_verify(load_settings(serving=False)))
    looked_at = f"{verified.events} events, {verified.versions} versions"
    if verified.differing:
        click.echo(f"{looked_at}: {verified.differing} differ from their ledger")
        sys.exit(1)
    click.echo(f"{looked_at}: every event equals its ledger")


async def _verify(settings: Settings) -> Verified:
    async with migrated_dsn(settings) as dsn, EventCheck(dsn) as check:
        total = await check.count()
        with tqdm(total=total, desc="verify", unit=" events", disable=None, leave=False) as bar:
            return await verify_events(check, bar.write, bar.update)
