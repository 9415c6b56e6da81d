"""The command `seed`: fills a database with venues that exist and events to try things out with.

Rule: every id is derived from a venue's slug, so a second run, at once or a year later, finds what
the first one added and adds nothing: sales, new names and cancellations stay, and past events are
not moved to new dates.

Venues and events belong to SEEDER, an id that no admin has: no one can log in as it, and a
super_admin may change what it owns, as everything. The events' ledgers are what the domain's own
rules make of creating and publishing them.
"""

import asyncio
from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import click
from tqdm import tqdm

from db.database import Session
from db.new_events import create_events
from db.seed_store import SeedStore, SeedVenue
from evently.commands.database import command_database, telling_why
from evently.commands.demo_data import (
    CURRENCIES,
    DOOR_H,
    DOOR_TYPES,
    EVENT_NAMES,
    VENUES,
    DemoVenue,
)
from evently.domain.commands import Update
from evently.domain.commits import Record
from evently.domain.currencies import NO_DECIMALS
from evently.domain.event import created, decide
from evently.domain.origin import Origin
from evently.domain.outcomes import Accepted, LedgerEntry
from evently.domain.state import EventDetails, EventState, Status
from evently.domain.value import value
from evently.settings import Settings, load_settings

# The root of every id here: if it changed, the next run would add everything again.
NAMESPACE = UUID("6f0f4a52-9d0c-4c5b-8f6e-4f5a3f0d9b1e")
SEEDER = str(uuid5(NAMESPACE, "seeder"))
CALLER = "command line"

EVENTS_PER_VENUE = 5
EVENTS_MAX = EVENTS_PER_VENUE * len(VENUES)
# Five events at a venue, one in every 36 days, cover six months; none starts sooner than a day and
# a half from now, in any time zone.
FIRST_DAY, STRIDE_DAYS, SPREAD_DAYS = 2, 36, 30
# Sales open so long before the start, so that some of the demo's are still to open.
ON_SALE_DAYS = 150
# From a club's price to a stadium's.
PRICE_STEPS = (500, 3_000, 15_000, 30_000)
# A statement of this size takes some milliseconds.
BATCH_EVENTS = 20


@value
class Seeded:
    """How many venues and events were added."""

    venues: int
    events: int


# A published event, and the records of its two versions.
NewEvent: TypeAlias = tuple[EventState, tuple[Record, ...]]


async def seed(
    database: Session,
    *,
    now: datetime | None = None,
    advance: Callable[[int], object] = lambda events: None,
) -> Seeded:
    """Add what is missing of the demo's venues and events; `advance` is told of events done."""
    store = SeedStore(database, SEEDER)
    venues = await store.add_seed_venues([_venue(venue) for venue in VENUES])
    events = 0
    drafts = list(demo_events(now or datetime.now(UTC)))
    for start in range(0, len(drafts), BATCH_EVENTS):
        batch = drafts[start : start + BATCH_EVENTS]
        events += await create_events(database, batch)
        advance(len(batch))
    return Seeded(venues, events)


def demo_events(now: datetime) -> Iterator[NewEvent]:
    """The demo's events as they are on the day `now`, published, in the six months after it."""
    for venue in VENUES:
        for slot in range(EVENTS_PER_VENUE):
            yield _event(venue, slot, now)


def venue_id(slug: str) -> str:
    """The id of the demo's venue with this slug."""
    return str(uuid5(NAMESPACE, f"venue {slug}"))


def _venue(venue: DemoVenue) -> SeedVenue:
    return SeedVenue(
        venue_id=venue_id(venue.slug),
        name=venue.name,
        address=venue.address,
        city=venue.city,
        state=venue.state,
        country=venue.country,
        postal_code=venue.postal_code,
        capacity=venue.capacity,
        timezone=venue.timezone,
    )


def _event(venue: DemoVenue, slot: int, now: datetime) -> NewEvent:
    """The venue's event number `slot`; its id decides on all that looks like chance."""
    event_id = uuid5(NAMESPACE, f"event {venue.slug} {slot}")
    event_type = venue.types[slot % len(venue.types)]
    names = EVENT_NAMES[event_type]
    who = names.who[event_id.int % len(names.who)]
    what = names.what[event_id.int // 1_000 % len(names.what)]
    day = FIRST_DAY + slot * STRIDE_DAYS + event_id.int // 1_000_000 % SPREAD_DAYS
    start = local_hour(now, day, names.hour, venue.timezone)
    opens = start - timedelta(days=ON_SALE_DAYS)
    door = event_type in DOOR_TYPES
    currency = CURRENCIES.get(venue.country, "EUR")
    cents = names.cents[bisect(PRICE_STEPS, venue.capacity)]
    details = EventDetails(
        event_id=str(event_id),
        name=f"{who}: {what}",
        description=names.about.format(who=who, what=what, venue=venue.name, city=venue.city),
        venue_id=venue_id(venue.slug),
        event_type=event_type,
        start_datetime=start,
        end_datetime=start + timedelta(hours=names.hours),
        # A hundred yen are about what a dollar is.
        base_price=Decimal(cents) if currency in NO_DECIMALS else Decimal(cents).scaleb(-2),
        max_tickets_per_booking=names.tickets_max,
        created_by=SEEDER,
        created_at=now,
        sales_start=opens if opens > now else None,
        sales_end=start + timedelta(hours=DOOR_H) if door else None,
        currency=currency,
    )
    return _published(details, venue.capacity * names.part // 100, venue.capacity, now)


def local_hour(now: datetime, days: int, hour: int, timezone: str) -> datetime:
    """The instant at which it is `hour` o'clock in a time zone, so many days from today there."""
    zone = ZoneInfo(timezone)
    day = now.astimezone(zone).date() + timedelta(days=days)
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def _published(
    details: EventDetails, capacity: int, venue_capacity: int, now: datetime
) -> NewEvent:
    state, first = created(details, capacity, now)
    publish = Update(SEEDER, False, state.version, {"status": Status.PUBLISHED}, venue_capacity)
    outcome = decide(state, publish, now)
    assert isinstance(outcome, Accepted), f"{details.name} cannot be published: {outcome}"
    records = (_record(first, "create"), _record(outcome.entry, f"update at {state.version}"))
    return outcome.state, records


def _record(entry: LedgerEntry, request: str) -> Record:
    return Record(entry, f"seed {entry.version}", request, Origin(CALLER, "seed"))


HELP = f"""Add venues and events to try things out with.

Adds {len(VENUES)} real venues (Madison Square Garden, the Royal Albert Hall, ...) with their true
cities and capacities, and {EVENTS_MAX} invented events at them, published, in the coming six
months. Run again it adds nothing, even months later: events are made once, and those that have
taken place stay in the past. What was changed or sold meanwhile is left alone.

The events belong to no admin account; a super_admin (see `evently admin create`) may
change them. With the embedded database it uses the running service's server, or starts it for as
long as it takes; lists of a running service show the events within a second.

\b
Examples:
  evently seed
  EVENTLY_DATA_DIR=/srv/evently evently seed
"""


@click.command("seed", help=HELP)
def seed_command() -> None:
    """Seed the database that the settings name."""
    with telling_why():
        seeded = asyncio.run(_seed(load_settings(serving=False)))
    if seeded == Seeded(0, 0):
        click.echo("nothing to add: the demo's venues and events are there")
    else:
        click.echo(f"added {seeded.venues} venues and {seeded.events} events")


async def _seed(settings: Settings) -> Seeded:
    async with command_database(settings, may_make=True) as database:
        with tqdm(total=EVENTS_MAX, desc="seed", unit=" events", disable=None, leave=False) as bar:
            return await seed(database, advance=bar.update)
