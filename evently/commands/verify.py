"""The command `verify`: compares every event, or some, with its ledger.

Rule: it only reads, and can run at any time beside the service. On stdout it prints one line for
each event that differs, and a summary as the last line. As JSON, an event that was asked for has
its line in any case.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from uuid import UUID

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
    report: Callable[[Replayed], object],
    advance: Callable[[int], object] = lambda events: None,
) -> Verified:
    """Check every event: call `report` for each that differs, `advance` with the events done."""
    events = versions = differing = 0
    async for page in check.pages():
        for replayed in page:
            versions += replayed.ledger.versions if replayed.ledger is not None else 0
            if replayed.differences():
                differing += 1
                report(replayed)
        here = _rows(page)
        events += here
        advance(here)
    return Verified(events, versions, differing)


async def verify_some(
    check: EventCheck, event_ids: Sequence[UUID], report: Callable[[Replayed], object]
) -> Verified:
    """Check these events: call `report` for each. Raises ClickException for one that is unknown."""
    found = []
    for event_id in event_ids:
        replayed = await check.find(event_id)
        if replayed is None:
            raise click.ClickException(f"neither an event nor a ledger has the id {event_id}")
        report(replayed)
        found.append(replayed)
    versions = sum(one.ledger.versions for one in found if one.ledger is not None)
    return Verified(_rows(found), versions, sum(bool(one.differences()) for one in found))


def line_of(replayed: Replayed) -> str:
    """What differs, as one line."""
    return f"{replayed.event_id}: {'; '.join(replayed.differences())}"


def json_of(replayed: Replayed) -> str:
    """The event as its row and its ledger tell it, and what differs, as one line of JSON."""
    told = {
        "event_id": replayed.event_id,
        "differences": replayed.differences(),
        "row": None if replayed.row is None else asdict(replayed.row),
        "ledger": None if replayed.ledger is None else asdict(replayed.ledger),
    }
    # Money is a string: a JSON number may come out of its reader as another one.
    return json.dumps(told, default=str)


def _rows(page: Sequence[Replayed]) -> int:
    return sum(replayed.row is not None for replayed in page)


HELP = """Compare every event with its ledger.

The ledger has one row for every version of an event. The command adds up each event's ledger and
compares: the version, and that none is missing; the available seats, now and at every version; the
capacity; the revenue; the status. It also finds ledgers without an event and events without a
ledger.

Prints one line for each event that differs, and a summary. Exits with 1 if any event differs or the
database cannot be read. It changes nothing and can run beside the service. An embedded database
that is not running is started for the time of the check.

With --json each line is an object: event_id, differences, and what row and ledger say; the last one
is the summary. docs/operations.md says how to repair an event that differs.

\b
Examples:
  evently verify
  evently verify --event 0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10 --json
  evently verify --json | jq -r 'select(.differences) | .event_id'
  EVENTLY_DATA_DIR=/srv/evently evently verify
"""


@click.command(help=HELP, short_help="Compare events with their ledgers.")
@click.option(
    "--event", "event_ids", type=click.UUID, multiple=True, help="Check this event; repeatable."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def verify(event_ids: tuple[UUID, ...], *, as_json: bool) -> None:
    """Check events, print what differs, exit with 1 if anything does."""
    with telling_why():
        verified = asyncio.run(_verify(load_settings(serving=False), event_ids, as_json=as_json))
    click.echo(json.dumps(asdict(verified)) if as_json else _summary(verified))
    if verified.differing:
        sys.exit(1)


def _summary(verified: Verified) -> str:
    looked_at = f"{verified.events} events, {verified.versions} versions"
    if verified.differing:
        return f"{looked_at}: {verified.differing} differ from their ledger"
    return f"{looked_at}: every event equals its ledger"


async def _verify(settings: Settings, event_ids: Sequence[UUID], *, as_json: bool) -> Verified:
    def report(replayed: Replayed) -> None:
        if as_json:
            tqdm.write(json_of(replayed))
        elif replayed.differences():
            tqdm.write(line_of(replayed))

    async with migrated_dsn(settings) as dsn, EventCheck(dsn) as check:
        if event_ids:
            return await verify_some(check, event_ids, report)
        total = await check.count()
        with tqdm(total=total, desc="verify", unit=" events", disable=None, leave=False) as bar:
            return await verify_events(check, report, bar.update)
