"""The demo's organiser and their events: weeks of sales, as if the service had been running.

Rule: what happens is decided by the domain's own rules at the time at which it would have happened,
so every event is what its ledger says. Whatever looks like chance follows from the event's name.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID, uuid5

from db.admin_store import AdminStore
from db.database import Database
from db.new_events import create_events
from evently.commands.demo_data import CURRENCIES, VENUES
from evently.commands.seed import local_hour, venue_id
from evently.domain.admins import Admin, Profile
from evently.domain.commands import (
    Cancel,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
)
from evently.domain.commits import Record
from evently.domain.event import created, decide
from evently.domain.holds import DURATION_DEFAULT_S, LIFE_MAX_S, Hold, hold_id_of
from evently.domain.origin import Origin
from evently.domain.outcomes import Accepted
from evently.domain.state import EventDetails, EventState, Status
from evently.domain.value import value
from routes.auth.passwords import Passwords
from routes.auth.registration import add_admin

EMAIL, NAME = "demo@evently.example", "Robin Demo"
COMMAND_LINE = "command line"
_NAMESPACE = UUID("c0f5a7ad-40a6-4a55-9d6e-1b9a3a6e7c11")
_VENUES = {venue.slug: venue for venue in VENUES}
BOOKING, BOX_OFFICE = "internal:booking", "internal:box-office"
# Enough to read aloud, and 80 bits of the service's own secret.
PASSWORD_CHARACTERS = 16
# Holds of one event: those that have ended began so long ago, one every few minutes ...
HOLDS_FOR_MIN, HOLDS_EVERY_MIN = 110, 4
# ... and these are still active, the last one for as long as a hold may be.
ACTIVE_S = (DURATION_DEFAULT_S, 1_800, 3_600, 5_400, LIFE_MAX_S)


@value
class Story:
    """One event: `sold` percent sell until today; what is `extended` gets more seats meanwhile.

    Where seats are `held`, buyers are paying right now; `opens_in_h` hours from now sales open.
    """

    name: str
    venue: str
    event_type: str
    about: str
    seats: int
    price: int
    starts_in_days: int
    on_sale_for_days: int
    sold: int
    hour: int = 19
    ends: Status = Status.PUBLISHED
    extended: bool = False
    held: bool = False
    opens_in_h: int | None = None


STORIES: tuple[Story, ...] = (
    Story(
        *("Paper Lanterns: Second Light Tour", "ryman-auditorium", "concert"),
        "Paper Lanterns come to the Ryman with a new show and a few old favourites.",
        *(2_100, 65, 18, 34, 74),
        extended=True,
        held=True,
    ),
    Story(
        *("The Ada Brooks Quintet: Album Release", "village-vanguard", "jazz"),
        "Two sets, one new record. Doors open an hour before the start.",
        *(120, 40, 5, 21, 100),
    ),
    Story(
        *("Elena Vasquez, piano: Schubert's Winter Journey", "barbican-hall", "classical"),
        "Elena Vasquez with the late sonatas, and an introduction an hour before.",
        *(1_800, 45, 9, 40, 99),
    ),
    Story(
        *("Dot Pemberton: Work in Progress", "ronnie-scotts", "comedy"),
        "An evening with Dot Pemberton: ninety minutes, one microphone, no interval.",
        *(210, 28, 1, 16, 57),
        held=True,
    ),
    Story(
        *("Rosa Quintero: One Night Only", "olympia", "concert"),
        "Rosa Quintero comes to Paris for a single evening.",
        *(1_900, 75, 83, 3, 0, 20),
        opens_in_h=20,
    ),
    Story(
        *("Open Cloud Days: Keynotes", "jamshed-bhabha", "conference"),
        "",
        *(800, 149, 47, 0, 0, 9),
        Status.DRAFT,
    ),
    Story(
        *("Tomorrow's Radio: Unplugged", "first-avenue", "concert"),
        "",
        *(900, 38, -1, 0, 0),
        ends=Status.DRAFT,
    ),
    Story(
        *("The Glass Cartographer: Touring Production", "olympia", "theatre"),
        "A play in two acts.",
        *(1_700, 59, 61, 9, 12),
    ),
    Story(
        *("Night Shift: Launch Party", "930-club", "club"),
        "Night Shift at the 9:30 Club until the morning. Over 18 only.",
        *(1_100, 24, 12, 19, 31, 22),
        Status.CANCELLED,
    ),
    Story(
        *("Camerata Aurora: Bach by Candlelight", "elbphilharmonie", "classical"),
        "All six Brandenburg Concertos in one evening.",
        *(2_000, 55, -6, 52, 96),
        ends=Status.COMPLETED,
    ),
)


async def tell_story(database: Database, secret: str, now: datetime | None = None) -> str | None:
    """Add what is missing of the organiser and their events; their password, unless changed."""
    password = demo_password(secret)
    admins = AdminStore(database)
    with closing(Passwords()) as passwords:
        profile = Profile(EMAIL, NAME, None, "admin")
        await add_admin(
            admins, passwords, profile, password, caller=COMMAND_LINE, request_id=COMMAND_LINE
        )
        found = await admins.find_admin_by_email(EMAIL)
        assert found is not None, "it was added, or was there"
        same = await passwords.matches(password, found.password_hash)
    organiser = Admin(found.admin_id, found.role)
    for story in STORIES:
        await _add(database, _Teller(story, organiser, now or datetime.now(UTC)))
    return password if same else None


def demo_password(secret: str) -> str:
    """The organiser's first password: the same at every start, and known to this service alone."""
    digest = hmac.new(secret.encode(), b"demo organiser", hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:PASSWORD_CHARACTERS]


def _full_hour(now: datetime, hours: int | None) -> datetime | None:
    """The full hour after so many hours from now."""
    if hours is None:
        return None
    return (now + timedelta(hours=hours + 1)).replace(minute=0, second=0, microsecond=0)


async def _add(database: Database, teller: "_Teller") -> None:
    state, records, times = teller.told()
    event_id = state.details.event_id
    past = [{"event_id": event_id, "version": n, "at": at} for n, at in enumerate(times, start=1)]
    await create_events(database, [(state, records)], past)


class _Teller:
    """Lets one event happen."""

    def __init__(self, story: Story, organiser: Admin, now: datetime) -> None:
        self._story = story
        self._organiser = organiser
        self._now = now
        self._random = Random(story.name)  # noqa: S311 - it only looks like chance
        self._holds: dict[str, Hold | None] = {}
        self._records: list[Record] = []
        self._times: list[datetime] = []
        begins = now - timedelta(days=story.on_sale_for_days, hours=2)
        venue = _VENUES[story.venue]
        start = local_hour(now, story.starts_in_days, story.hour, venue.timezone)
        details = EventDetails(
            event_id=str(uuid5(_NAMESPACE, story.name)),
            name=story.name,
            description=story.about,
            venue_id=venue_id(story.venue),
            event_type=story.event_type,
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            base_price=Decimal(story.price).quantize(Decimal("0.01")),
            max_tickets_per_booking=6,
            created_by=organiser.admin_id,
            created_at=begins,
            sales_start=_full_hour(now, story.opens_in_h),
            currency=CURRENCIES.get(venue.country, "EUR"),
        )
        self._state, entry = created(details, story.seats, begins)
        self._records.append(Record(entry, "demo 1", "create", self._by_admin))
        self._times.append(begins)

    @property
    def _by_admin(self) -> Origin:
        return Origin(self._organiser.caller, "demo")

    def told(self) -> tuple[EventState, Sequence[Record], Sequence[datetime]]:
        """The event as it is now, with its ledger and the time of each version."""
        if self._story.ends is not Status.DRAFT:
            self._change(self._times[0] + timedelta(hours=1), status=Status.PUBLISHED)
            self._sell()
        if self._story.ends is Status.CANCELLED:
            version = self._state.version
            self._do(Cancel(self._organiser.admin_id, False, version), self._times[-1])
        return self._state, self._records, self._times

    def _change(self, at: datetime, **changes: object) -> None:
        capacity = _VENUES[self._story.venue].capacity
        version = self._state.version
        self._do(Update(self._organiser.admin_id, False, version, changes, capacity), at)

    def _sell(self) -> None:
        """Sell what is to be sold, much of it at the opening; a little of it is returned."""
        story, random = self._story, self._random
        wanted = story.seats * story.sold // 100
        times = sorted(self._moments(wanted))
        # Some of it is for the last hour, which shows on the console by the minute.
        lately, recently = self._now - timedelta(hours=1), min(60, wanted // 20)
        edited = False
        holding = sorted(self._holding(), key=lambda step: step[0]) if story.held else []
        for at in times:
            while holding and holding[0][0] <= at:
                self._do(holding[0][1], holding.pop(0)[0], BOOKING)
            left = wanted - self._state.sold
            if left <= (0 if at > lately else recently):
                continue
            if not edited and self._state.sold > wanted // 2 and story.extended:
                edited = True
                self._change(at, total_capacity=story.seats + 40)
                self._change(at, base_price=self._state.details.base_price + 5)
            caller = BOX_OFFICE if random.random() < 0.1 else BOOKING  # noqa: PLR2004 - a tenth
            if random.random() < 0.03 and self._state.sold > 4:  # noqa: PLR2004 - a few
                self._do(Return(random.randint(1, 2), None), at, caller)
            self._do(Reserve(min(left, random.choice((1, 2, 2, 2, 3, 4, 4))), None), at, caller)
        for at, command in holding:
            self._do(command, at, BOOKING)
        if story.sold == 100:  # noqa: PLR2004 - all of it
            self._do(Reserve(self._state.available_seats, None), times[-1])

    def _holding(self) -> Iterator[tuple[datetime, Command]]:
        """Buyers who put seats into a cart: most pay, some let them go, some forget them."""
        random, now = self._random, self._now
        for minutes in range(HOLDS_FOR_MIN, DURATION_DEFAULT_S // 60, -HOLDS_EVERY_MIN):
            at = now - timedelta(minutes=minutes - random.random())
            place = self._place(minutes, DURATION_DEFAULT_S)
            yield at, place
            later = at + timedelta(minutes=random.uniform(1, 8))
            match random.choice("ccccccrx"):
                case "c":
                    yield later, Confirm(place.hold_id)
                case "r":
                    yield later, Release(place.hold_id)
                case _:
                    yield at + timedelta(seconds=DURATION_DEFAULT_S), Expire()
        for number, duration_s in enumerate(ACTIVE_S):
            yield now - timedelta(seconds=9 * number + 5), self._place(-number, duration_s)

    def _place(self, number: int, duration_s: int) -> PlaceHold:
        hold_id = hold_id_of(self._state.details.event_id, BOOKING, f"demo hold {number}")
        reference = f"order {1000 + number}"
        return PlaceHold(hold_id, self._random.randint(1, 4), duration_s, reference, None)

    def _moments(self, seats: int) -> Iterator[datetime]:
        """When somebody buys; each takes some two and a half seats."""
        begins, random = self._times[-1], self._random
        ends = min(self._now, self._state.details.start_datetime - timedelta(hours=1))
        long = ends - begins
        for _ in range(seats * 2 // 5):
            part = random.random() ** 2 if random.random() < 0.45 else random.random()  # noqa: PLR2004
            yield begins + part * long
        if ends == self._now and self._story.ends is Status.PUBLISHED:
            for _ in range(min(24, seats // 50)):
                yield ends - timedelta(minutes=random.uniform(0, 59))

    def _do(self, command: Command, at: datetime, caller: str | None = None) -> None:
        outcome = decide(self._state, command, at, self._holds)
        if not isinstance(outcome, Accepted):
            assert isinstance(command, Reserve | Return), f"{command} was refused: {outcome}"
            return
        self._state = outcome.state
        self._holds |= {hold.hold_id: hold for hold in outcome.entry.holds}
        origin = self._by_admin if caller is None else Origin(caller, "demo")
        number = outcome.entry.version
        self._records.append(Record(outcome.entry, f"demo {number}", f"demo {number}", origin))
        self._times.append(max(at, self._times[-1]))
