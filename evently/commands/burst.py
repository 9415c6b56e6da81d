"""The command `burst`: chooses events, plays a burst of moves on them, and reports the result.

Rule: the exit code is 1 if anything was oversold or miscounted. The address and the key come from
the environment, as for a booking service on the same machine.
"""

import asyncio
import math
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, get_args

import click
import uvloop
from click.core import ParameterSource
from tqdm import tqdm, trange

from evently.commands.burst_holds import HoldBurst, HoldOrder, report_holds
from evently.commands.burst_opening import (
    OPENS_IN_MAX_S,
    Seconds,
    opening_at,
    report_opening,
    wait_until,
)
from evently.commands.burst_play import Burst, Mode, OnSale, Order, problems, report
from evently.domain.level import Level
from evently.own_secrets import PREFIX
from evently.settings import SettingsError, read_secret, secret_source
from evently_client import (
    HOLD_S_MAX,
    HOLD_S_MIN,
    MOVES_MAX,
    ClientLimits,
    EventInList,
    EventServiceClient,
    EventServiceError,
    PublicClient,
)

CLIENTS_DEFAULT, CLIENTS_MAX = 64, 2000
REQUESTS_DEFAULT, REQUESTS_MAX = 10_000, 10_000_000
# Twenty full pages of the public list.
EVENTS_MAX, PAGE = 2000, 100
# What is for a burst of moves only, and of holds only.
OF_MOVES = ("mode", "returns", "batch")
OF_HOLDS = ("hold_for_s", "confirms", "releases")

HELP = """Simulate a booking service, and check that nothing was oversold.

Many clients reserve and return seats at once, on one event or several. Every move has an
Idempotency-Key and is retried if it may be. Prints seats sold and returned, refusals, conflicts,
replays, unknown outcomes, throughput, and the latencies of whole calls with their retries.

Then it reads every event again. The available seats must be those before, less the sold, plus the
returned, and every answered move must have made one version; otherwise it names the event and exits
with 1. If other clients move seats of these events too, use --not-alone: it then checks that the
available seats are between 0 and the capacity, and that no version was answered twice.

\b
Versions, with --mode:
  any     accepts whatever version the event has
  retry   sends the last version it saw; the service resolves conflicts of seats
  strict  reads the event, sends that version, and retries with the current one

With --holds each client holds seats, then confirms, releases or leaves the hold to its time. It
waits until the holds that were left have expired, and reads what became of them. With --opens-in
all clients begin at one instant, as at the opening of a sale: after that time, or at the event's
sales_start if that is later. It tells when the first OK came.

Without --event it chooses the events of the public list with the most seats left. THE SEATS ARE
REALLY SOLD: use a demo database. The default internal key is the first of
EVENTLY_INTERNAL_API_KEYS, of the file that EVENTLY_INTERNAL_API_KEYS_FILE names, or of the secrets
that the service generated under EVENTLY_DATA_DIR.

\b
Examples:
  evently burst
  evently burst --batch 100 --requests 100000
  evently burst --clients 200 --requests 50000 --events 100 --mode retry --returns 0.2
  evently burst --holds --opens-in 10s --clients 200
  evently burst --event 0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10 --seats 2 --mode strict
"""


@click.command(help=HELP)
@click.option(
    "--url",
    help="URL of the service.  [default: from EVENTLY_HOST and EVENTLY_PORT, or "
    "http://127.0.0.1:8002]",
)
@click.option("--key", help="The internal key.  [default: see above]")
@click.option(
    "--clients",
    type=click.IntRange(1, CLIENTS_MAX),
    default=CLIENTS_DEFAULT,
    show_default=True,
    help="Concurrent clients, each on its own connection.",
)
@click.option(
    "--requests",
    type=click.IntRange(1, REQUESTS_MAX),
    default=REQUESTS_DEFAULT,
    show_default=True,
    help="Moves of all clients together.",
)
@click.option(
    "--events",
    type=click.IntRange(1, EVENTS_MAX),
    default=1,
    show_default=True,
    help="Number of published events to use; 1 is one hot event.",
)
@click.option(
    "--event", "event_ids", multiple=True, type=click.UUID, help="Use this event; repeatable."
)
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
    help="Share of moves that return seats sold before.",
)
@click.option("--holds", is_flag=True, help="Hold seats instead of moving them.")
@click.option(
    "--hold-for",
    "hold_for_s",
    type=Seconds(HOLD_S_MIN, HOLD_S_MAX),
    default="30s",
    show_default=True,
    help="With --holds, how long a hold lasts, such as 30s or 15m.",
)
@click.option(
    "--confirms",
    type=click.FloatRange(0, 1),
    default=0.7,
    show_default=True,
    help="With --holds, share of holds that are confirmed.",
)
@click.option(
    "--releases",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="With --holds, share of holds that are released; what is left expires.",
)
@click.option(
    "--opens-in",
    "opens_in_s",
    type=Seconds(0, OPENS_IN_MAX_S),
    help="Begin with all clients at once after this time, such as 10s.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, MOVES_MAX),
    default=1,
    show_default=True,
    help="Moves in each request; more than 1 sends them by POST /internal/moves.",
)
@click.option(
    "--alone/--not-alone",
    default=True,
    show_default=True,
    help="Whether no other client moves seats of these events meanwhile.",
)
def burst(
    url: str | None, key: str | None, events: int, event_ids: tuple[Any, ...], **rest: Any
) -> None:
    """Play, report and check; exit with 1 if anything was oversold."""
    url = url or _own_url()
    alone, opens_in_s = rest.pop("alone"), rest.pop("opens_in_s")
    order = _order(**rest)
    chosen = [str(event_id) for event_id in event_ids]
    playing = _burst(url, key or _own_key(), events, chosen, order, opens_in_s, alone=alone)
    try:
        found = uvloop.run(playing)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except EventServiceError as error:
        raise click.ClickException(f"{url}: {error}") from error
    for problem in found:
        click.echo(f"OVERSOLD OR MISCOUNTED: {problem}")
    if found:
        raise SystemExit(1)
    checked = "seats and versions add up" if alone else "seats within capacity, versions unique"
    click.echo(f"nothing oversold: {checked}")


def _order(*, holds: bool, **given: Any) -> Order | HoldOrder:
    """What to play. Raises click.UsageError for options that do not go together."""
    source = click.get_current_context().get_parameter_source
    for name in OF_MOVES if holds else OF_HOLDS:
        if source(name) is ParameterSource.COMMANDLINE:
            option = f"--{name.removesuffix('_s').replace('_', '-')}"
            raise click.UsageError(
                f"{option} is only for a burst {'without' if holds else 'with'} --holds"
            )
    if given["confirms"] + given["releases"] > 1:
        raise click.UsageError("--confirms and --releases must be 1 together, or less")
    left_out = OF_MOVES if holds else OF_HOLDS
    fields = {name: value for name, value in given.items() if name not in left_out}
    return HoldOrder(**fields) if holds else Order(**fields)


def _own_url() -> str:
    """Where a service with this environment listens."""
    host = os.environ.get(f"{PREFIX}HOST") or "127.0.0.1"
    # A service that listens on every address is reached by the loopback address.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{os.environ.get(f'{PREFIX}PORT') or 8002}"


def _own_key() -> str:
    """The first internal key of a service with this environment."""
    name = "internal_api_keys"
    try:
        given = read_secret(name) or ""
    except SettingsError as error:
        raise click.UsageError(f"no internal key: {error}; give --key") from error
    key = given.partition(",")[0].partition(":")[2].strip()
    if not key:
        variable = f"{PREFIX}{name.upper()}"
        raise click.UsageError(
            f"no internal key: give --key, or set {variable} or {variable}_FILE (there is none in "
            f"{secret_source(name)})"
        )
    return key


async def _burst(
    url: str,
    key: str,
    count: int,
    event_ids: Sequence[str],
    order: Order | HoldOrder,
    opens_in_s: int | None,
    *,
    alone: bool,
) -> list[str]:
    limits = ClientLimits(connections_max=order.clients)
    async with (
        EventServiceClient(url, key, limits=limits) as client,
        PublicClient(url) as public,
    ):
        chosen = await _chosen(public, count, event_ids)
        befores = await asyncio.gather(*(client.get_event(event.event_id) for event in chosen))
        events = [
            OnSale(before, event.total_capacity)
            for before, event in zip(befores, chosen, strict=True)
        ]
        if opens_in_s is not None:
            starts = [event.sales_start for event in chosen]
            at = opening_at(datetime.now(UTC), opens_in_s, starts)
            click.echo(f"{order.clients} clients wait until {at:%H:%M:%S} UTC")
            await wait_until(at)
        began_s = time.perf_counter()
        if isinstance(order, HoldOrder):
            lines, found = await _play_holds(client, events, order, alone=alone)
        else:
            lines, found = await _play_moves(client, events, order, alone=alone)
        if opens_in_s is not None:
            lines.append(report_opening(began_s, events))
        click.echo("\n".join(lines))
        return found


async def _play_moves(
    client: EventServiceClient, events: Sequence[OnSale], order: Order, *, alone: bool
) -> tuple[list[str], list[str]]:
    """The report, and what does not add up."""
    with tqdm(total=order.requests, desc="burst", unit=" moves", disable=None, leave=False) as bar:
        tally = await Burst(client, events, order).play(bar.update)
    return report(order, events, tally), await problems(client, events, alone=alone)


async def _play_holds(
    client: EventServiceClient, events: Sequence[OnSale], order: HoldOrder, *, alone: bool
) -> tuple[list[str], list[str]]:
    """The report, and what does not add up once the last hold has ended."""
    burst = HoldBurst(client, events, order)
    with tqdm(total=order.requests, desc="burst", unit=" holds", disable=None, leave=False) as bar:
        await burst.play(bar.update)
    left_s = math.ceil(burst.left_s)
    for _ in trange(left_s, desc="the last holds expire", unit=" s", disable=None, leave=False):
        await asyncio.sleep(1.0)
    await burst.look()
    found = await burst.settle(alone=alone)
    return report_holds(order, events, burst.tally), found


async def _chosen(
    public: PublicClient, count: int, event_ids: Sequence[str]
) -> Sequence[EventInList]:
    """The events to use."""
    if event_ids:
        return [await public.get_event(event_id) for event_id in event_ids]
    return await _most_available(public, count)


async def _most_available(public: PublicClient, count: int) -> list[EventInList]:
    found: list[EventInList] = []
    for page in range(1, EVENTS_MAX // PAGE + 1):
        listed = await public.list_events(page=page, limit=PAGE)
        found += filter(_is_sellable, listed.events)
        if not listed.has_more:
            break
    if len(found) < count:
        raise click.ClickException(
            f"the service lists {len(found)} events with seats to sell, and --events is {count}: "
            "add some with `evently seed`"
        )
    return sorted(found, key=lambda event: -event.available_seats)[:count]


def _is_sellable(event: EventInList) -> bool:
    return event.level in {Level.AVAILABLE, Level.FEW_LEFT}
