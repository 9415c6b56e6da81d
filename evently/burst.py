"""The command `burst`: plays a busy booking service, and checks that nothing was oversold.

Rule: it knows only what a booking service knows, the service's answers, and trusts none of them:
at the end the seats that it was told it got must be exactly those that are gone.
"""

import asyncio
import os
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import aiohttp
import click
import uvloop
from tqdm import tqdm

from evently.client import (
    ANY,
    ClientLimits,
    EventForBooking,
    EventServiceClient,
    EventServiceError,
    OnConflict,
    OutcomeUnknown,
    SeatsMoved,
    Unauthorized,
    Version,
)
from evently.domain.value import value
from evently.settings import PREFIX, SECRETS_FILE

Mode: TypeAlias = Literal["strict", "retry", "any"]

CLIENTS_DEFAULT, CLIENTS_MAX = 64, 2000
REQUESTS_DEFAULT, REQUESTS_MAX = 10_000, 10_000_000
# Twenty full pages of the public list.
EVENTS_MAX, PAGE = 2000, 100
LIST_S = 10.0


@value
class Order:
    """What is to be played: `returns` is the share of moves that give seats back."""

    clients: int
    requests: int
    mode: Mode
    seats: int
    returns: float


class OnSale:
    """One event, and what the service's answers say that we did to it."""

    def __init__(self, before: EventForBooking, total_capacity: int) -> None:
        self.before = before
        self.total_capacity = total_capacity
        self.version = before.version
        self.sold = 0
        self.returned = 0
        self.held = 0
        self.maybe_sold = 0
        self.maybe_returned = 0
        self.versions: list[int] = []

    def problems(self, after: EventForBooking, *, alone: bool) -> list[str]:
        """What cannot be if no seat was sold twice; `alone` tells that nobody else moved seats."""
        found = []
        available = after.available_seats
        if not 0 <= available <= self.total_capacity:
            found.append(f"{available} of {self.total_capacity} seats are available")
        double = [version for version, times in Counter(self.versions).items() if times > 1]
        if double:
            found.append(f"version {double[0]} was answered to more than one move")
        if alone:
            found += self._problems_alone(after)
        return found

    def _problems_alone(self, after: EventForBooking) -> list[str]:
        found = []
        expected = self.before.available_seats - self.sold + self.returned
        least, most = expected - self.maybe_sold, expected + self.maybe_returned
        if not least <= after.available_seats <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            found.append(
                f"{after.available_seats} seats are available, and it should be {wanted}: "
                f"{self.before.available_seats} before, {self.sold} sold, {self.returned} returned"
            )
        moved = after.version - self.before.version
        if least == most and moved != len(self.versions):
            found.append(f"{len(self.versions)} moves were answered, and {moved} versions made")
        return found


class Tally:
    """What became of all moves; latencies are in seconds, of a whole call with its retries."""

    def __init__(self) -> None:
        self.reserves = 0
        self.returns = 0
        self.refused: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.conflicts = 0
        self.replays = 0
        self.latencies_s = array("d")
        self.seconds = 0.0

    def failed(self, error: EventServiceError) -> None:
        """Count a move that was refused, could not be done, or may have been."""
        self.conflicts += error.conflicts
        counts = self.unknown if isinstance(error, OutcomeUnknown) else self.refused
        counts[error.code] += 1


class Burst:
    """Plays `order` on `events`; each of its clients does one move after the other."""

    def __init__(self, client: EventServiceClient, events: Sequence[OnSale], order: Order) -> None:
        self.tally = Tally()
        self._client = client
        self._events = events
        self._order = order
        self._begun = 0

    async def play(self, advance: Callable[[], object] = lambda: None) -> Tally:
        """Do all moves; `advance` is told of each that has ended. Raises Unauthorized."""
        started_s = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._order.clients, self._order.requests)):
                    group.create_task(self._one_client(advance))
        except* Unauthorized as errors:
            raise errors.exceptions[0] from None
        self.tally.seconds = time.perf_counter() - started_s
        return self.tally

    async def _one_client(self, advance: Callable[[], object]) -> None:
        while self._begun < self._order.requests:
            event = self._events[self._begun % len(self._events)]
            self._begun += 1
            try:
                await self._one_move(event)
            except Unauthorized:
                raise
            except EventServiceError as error:
                self.tally.failed(error)
            advance()

    async def _one_move(self, event: OnSale) -> None:
        seats = self._order.seats
        version, on_conflict = await self._discipline(event)
        give_back = event.held >= seats and random.random() < self._order.returns  # noqa: S311
        started_s = time.perf_counter()
        try:
            if give_back:
                await self._give_back(event, seats, version, on_conflict)
            else:
                await self._take(event, seats, version, on_conflict)
        finally:
            self.tally.latencies_s.append(time.perf_counter() - started_s)

    async def _discipline(self, event: OnSale) -> tuple[Version, OnConflict]:
        match self._order.mode:
            case "any":
                return ANY, "fail"
            case "retry":
                return event.version, "retry"
            case "strict":
                seen = await self._client.get_event(event.before.event_id)
                return seen.version, "current"

    async def _take(
        self, event: OnSale, seats: int, version: Version, on_conflict: OnConflict
    ) -> None:
        try:
            moved = await self._client.reserve(
                event.before.event_id, seats, version=version, on_conflict=on_conflict
            )
        except OutcomeUnknown:
            event.maybe_sold += seats
            raise
        event.sold += seats
        event.held += seats
        self.tally.reserves += 1
        self._note(event, moved)

    async def _give_back(
        self, event: OnSale, seats: int, version: Version, on_conflict: OnConflict
    ) -> None:
        # Taken off first, so that no other client gives back the same seats.
        event.held -= seats
        try:
            moved = await self._client.return_seats(
                event.before.event_id, seats, version=version, on_conflict=on_conflict
            )
        except OutcomeUnknown:
            event.maybe_returned += seats
            raise
        except EventServiceError:
            event.held += seats
            raise
        event.returned += seats
        self.tally.returns += 1
        self._note(event, moved)

    def _note(self, event: OnSale, moved: SeatsMoved) -> None:
        event.version = max(event.version, moved.version)
        event.versions.append(moved.version)
        self.tally.conflicts += moved.conflicts
        self.tally.replays += moved.replayed


def report(order: Order, events: Sequence[OnSale], tally: Tally) -> list[str]:
    """What was played and what became of it, line by line."""
    moves = len(tally.latencies_s)
    sold, returned = sum(e.sold for e in events), sum(e.returned for e in events)
    quantiles = _quantiles_ms(tally.latencies_s)
    shown = "  ".join(f"{name} {ms:.1f} ms" for name, ms in quantiles.items())
    return [
        f"{order.requests} moves by {order.clients} clients on {_events(len(events))}",
        f"  mode        {order.mode}",
        f"  sold        {sold} seats in {tally.reserves} moves",
        f"  returned    {returned} seats in {tally.returns} moves",
        f"  refused     {_by_code(tally.refused)}",
        f"  unknown     {_by_code(tally.unknown)}",
        f"  conflicts   {tally.conflicts} that the client met and tried again",
        f"  replays     {tally.replays} answers that came at a second try",
        f"  throughput  {moves / max(tally.seconds, 1e-9):.0f} moves/s for {tally.seconds:.1f} s",
        f"  latency     {shown}",
    ]


def _by_code(counts: Counter[str]) -> str:
    codes = ", ".join(f"{code} {count}" for code, count in counts.most_common())
    return f"{counts.total()}: {codes}" if codes else "0"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"


def _quantiles_ms(latencies_s: Sequence[float]) -> dict[str, float]:
    in_order = sorted(latencies_s) or [0.0]
    last = len(in_order) - 1
    marks = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    return {name: in_order[round(share * last)] * 1000 for name, share in marks}


HELP = """Play a booking service, and check that nothing was oversold.

N clients reserve and return seats at once, on one event or on many, each with an Idempotency-Key,
trying again what may be tried again. Prints what was sold, returned and refused, conflicts,
replays, unknown outcomes, throughput, and latencies of whole calls with their retries.

Then it reads every event again: the seats available must be those before, less what was sold,
plus what was returned, and every answered move must have made one version. Exits with 1, and says
which event, if not. While others move seats too, say --not-alone: then it checks that the seats
available are within 0 and capacity, and that no version was answered twice.

\b
Versions, with --mode:
  any     takes the seats at whatever version the event is
  retry   sends the last version it saw; the service takes seat conflicts on itself
  strict  reads the event, sends that version, and tries again with the current one

Without --event it takes those of the public list that have the most seats left. SEATS ARE REALLY
SOLD: play on a demo database. The internal key is by default the first one of
EVENTLY_INTERNAL_API_KEYS, or of the secrets that the service made under EVENTLY_DATA_DIR.

\b
Examples:
  evently burst
  evently burst --clients 200 --requests 50000 --events 100 --mode retry --returns 0.2
  evently burst --event 0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10 --seats 2 --mode strict
"""


@click.command(help=HELP)
@click.option(
    "--url",
    help="Where the service answers.  [default: by EVENTLY_HOST and EVENTLY_PORT, or "
    "http://127.0.0.1:8002]",
)
@click.option("--key", help="The internal key.  [default: see above]")
@click.option(
    "--clients",
    type=click.IntRange(1, CLIENTS_MAX),
    default=CLIENTS_DEFAULT,
    show_default=True,
    help="How many clients call at once, each on a connection of its own.",
)
@click.option(
    "--requests",
    type=click.IntRange(1, REQUESTS_MAX),
    default=REQUESTS_DEFAULT,
    show_default=True,
    help="How many moves all clients do together.",
)
@click.option(
    "--events",
    type=click.IntRange(1, EVENTS_MAX),
    default=1,
    show_default=True,
    help="How many published events to play on; 1 is one hot event.",
)
@click.option("--event", "event_ids", multiple=True, type=click.UUID, help="Or this one; repeat.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Mode)),
    default="any",
    show_default=True,
    help="Which version the clients send.",
)
@click.option(
    "--seats",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    help="Seats in each move.",
)
@click.option(
    "--returns",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="The share of moves that return seats sold before.",
)
@click.option(
    "--alone/--not-alone",
    default=True,
    show_default=True,
    help="Whether nobody else moves seats of these events meanwhile.",
)
def burst(
    url: str | None, key: str | None, events: int, event_ids: tuple[Any, ...], **rest: Any
) -> None:
    """Play, report, check; exit with 1 if anything was oversold."""
    url = url or _own_url()
    alone = rest.pop("alone")
    order = Order(**rest)
    chosen = [str(event_id) for event_id in event_ids]
    try:
        found = uvloop.run(_burst(url, key or _own_key(), events, chosen, order, alone=alone))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (EventServiceError, aiohttp.ClientError, TimeoutError) as error:
        raise click.ClickException(f"{url}: {str(error) or type(error).__name__}") from error
    for problem in found:
        click.echo(f"OVERSOLD OR MISCOUNTED: {problem}")
    if found:
        raise SystemExit(1)
    checked = "seats and versions add up" if alone else "seats within capacity, versions unique"
    click.echo(f"nothing oversold: {checked}")


def _own_url() -> str:
    """Where a service with this environment listens."""
    host = os.environ.get(f"{PREFIX}HOST") or "127.0.0.1"
    # One that listens on every address is asked on this machine's own.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{os.environ.get(f'{PREFIX}PORT') or 8002}"


def _own_key() -> str:
    """The first internal key of the environment, or of the service's own secrets."""
    name = f"{PREFIX}INTERNAL_API_KEYS"
    given = os.environ.get(name, "")
    path = Path(os.environ.get(f"{PREFIX}DATA_DIR") or ".evently") / SECRETS_FILE
    if not given and path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        given = dict(line.split("=", 1) for line in lines if "=" in line).get(name, "")
    key = given.partition(",")[0].partition(":")[2].strip()
    if not key:
        raise click.UsageError(f"no internal key: give --key, or set {name} (looked in {path} too)")
    return key


async def _burst(
    url: str, key: str, count: int, event_ids: Sequence[str], order: Order, *, alone: bool
) -> list[str]:
    limits = ClientLimits(connections_max=order.clients)
    async with EventServiceClient(url, key, limits=limits) as client:
        capacities = await _capacities(url, count, event_ids)
        befores = await asyncio.gather(*map(client.get_event, capacities))
        events = [OnSale(before, capacities[before.event_id]) for before in befores]
        with tqdm(
            total=order.requests, desc="burst", unit=" moves", disable=None, leave=False
        ) as bar:
            tally = await Burst(client, events, order).play(bar.update)
        click.echo("\n".join(report(order, events, tally)))
        afters = await asyncio.gather(*(client.get_event(e.before.event_id) for e in events))
        return [
            f"{event.before.event_id}: {problem}"
            for event, after in zip(events, afters, strict=True)
            for problem in event.problems(after, alone=alone)
        ]


async def _capacities(url: str, count: int, event_ids: Sequence[str]) -> dict[str, int]:
    """The events to play on, each with its total capacity."""
    timeout = aiohttp.ClientTimeout(total=LIST_S)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
        if event_ids:
            found = [await _get(session, f"{url}/api/v1/events/{id_}") for id_ in event_ids]
        else:
            found = await _most_available(session, url, count)
    return {event["event_id"]: event["total_capacity"] for event in found}


async def _most_available(session: aiohttp.ClientSession, url: str, count: int) -> list[Any]:
    found: list[Any] = []
    for page in range(1, EVENTS_MAX // PAGE + 1):
        listed = await _get(session, f"{url}/api/v1/events?page={page}&limit={PAGE}")
        found += filter(_is_sellable, listed["events"])
        if not listed["has_more"]:
            break
    if len(found) < count:
        raise click.ClickException(
            f"{url} lists {len(found)} events with seats to sell, and --events is {count}: "
            "add some with `evently seed`"
        )
    return sorted(found, key=lambda event: -event["available_seats"])[:count]


def _is_sellable(event: dict[str, Any]) -> bool:
    starts = datetime.fromisoformat(event["start_datetime"])
    return event["available_seats"] > 0 and starts > datetime.now(UTC)


async def _get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        return await response.json()
