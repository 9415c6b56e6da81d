"""The command `verify`: checks that every event is what its ledger says it is.

Rule: it only reads, and may run at any time beside the service. What it prints on stdout is one
line for each event that differs, and a last line that sums up.
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
    """How many events and versions were looked at, and how many events differ."""

    events: int
    versions: int
    differing: int


async def verify_events(
    check: EventCheck,
    report: Callable[[str], object],
    advance: Callable[[int], object] = lambda events: None,
) -> Verified:
    """Check every event, telling `report` a line of each that differs, `advance` how many more."""
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


HELP = """Check every event against its ledger.

The ledger holds one row for every version an event has had. For each event this adds up its
ledger and compares: the version, and that none is missing; the seats available, now and at every
version; the capacity; the revenue; the status. It also finds ledgers without an event and events
without a ledger.

Prints one line for each event that differs, and one that sums up. Exits with 1 if any differs, or
if the database cannot be read. It changes no event and may run while the service does; with the
embedded database it uses the running service's server, or starts it for as long as it takes.

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
    click.echo(f"{looked_at}: every event is what its ledger says")


async def _verify(settings: Settings) -> Verified:
    async with migrated_dsn(settings) as dsn, EventCheck(dsn) as check:
        total = await check.count()
        with tqdm(total=total, desc="verify", unit=" events", disable=None, leave=False) as bar:
            return await verify_events(check, bar.write, bar.update)
