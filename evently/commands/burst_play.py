"""Acts as a busy booking service on some events, and compares the result with its answers.

Rule: it knows only what a booking service knows, the answers, and trusts none of them: at the end
the seats missing from an event must be exactly those that the answers confirmed.
"""

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, TypeAlias

from evently.commands.burst_figures import by_code, count_events, quantiles
from evently.domain.value import value
from evently_client import (
    ANY,
    EventForBooking,
    EventServiceClient,
    EventServiceError,
    MoveResult,
    OnConflict,
    OutcomeUnknown,
    SeatMove,
    Unauthorized,
    Version,
)

Mode: TypeAlias = Literal["strict", "retry", "any"]


@value
class Order:
    """What to play.

    `returns` is the share of moves that return seats, `batch` the number of moves in a request.
    """

    clients: int
    requests: int
    mode: Mode
    seats: int
    returns: float
    batch: int


class OnSale:
    """One event, and our moves of it according to the answers."""

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
        # Versions that may have been made without an answer of their own: holds that expired.
        self.more_versions_max = 0
        # By time.perf_counter(), when the first success was answered.
        self.first_ok_s: float | None = None

    def answered(self, version: int) -> None:
        """Note a success."""
        if self.first_ok_s is None:
            self.first_ok_s = time.perf_counter()
        self.version = max(self.version, version)
        self.versions.append(version)

    def problems(self, after: EventForBooking, *, alone: bool) -> list[str]:
        """What contradicts that no seat was sold twice.

        `alone` says that no other client moved seats.
        """
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
                f"{after.available_seats} seats are available, expected {wanted}: "
                f"{self.before.available_seats} before, {self.sold} sold, {self.returned} returned"
            )
        moved = after.version - self.before.version
        answered = len(self.versions)
        if least == most and not answered <= moved <= answered + self.more_versions_max:
            found.append(f"{answered} moves were answered, but {moved} versions were made")
        return found


async def at_once(
    clients: int,
    one_client: Callable[[], Coroutine[Any, Any, None]],
    wanted: type[EventServiceError],
) -> None:
    """Run so many clients together. Raises their first error by itself if it is `wanted`."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(one_client())
    except BaseExceptionGroup as errors:
        # Not with `except*`: Python before 3.11.4 puts what is raised there into a group again.
        first = errors.exceptions[0]
        if isinstance(first, wanted):
            raise first from None
        raise


async def problems(
    client: EventServiceClient, events: Sequence[OnSale], *, alone: bool
) -> list[str]:
    """What contradicts the answers, read from the service for every event."""
    afters = await asyncio.gather(*(client.get_event(event.before.event_id) for event in events))
    return [
        f"{event.before.event_id}: {problem}"
        for event, after in zip(events, afters, strict=True)
        for problem in event.problems(after, alone=alone)
    ]


class Tally:
    """The results of all moves; latencies are in seconds, of whole calls with their retries."""

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
        """Count a move that was refused, failed, or has an unknown outcome."""
        self.conflicts += error.conflicts
        counts = self.unknown if isinstance(error, OutcomeUnknown) else self.refused
        counts[error.code] += 1


@value
class Wish:
    """One move to make: a negative `quantity` takes seats."""

    event: OnSale
    quantity: int
    version: Version
    on_conflict: OnConflict


class Burst:
    """Plays `order` on `events`; each client sends one request after the other."""

    def __init__(self, client: EventServiceClient, events: Sequence[OnSale], order: Order) -> None:
        self.tally = Tally()
        self._client = client
        self._events = events
        self._order = order
        self._begun = 0

    async def play(self, advance: Callable[[int], object] = lambda moves: None) -> Tally:
        """Make all moves; call `advance` with how many have ended. Raises Unauthorized."""
        started_s = time.perf_counter()
        clients = min(self._order.clients, self._order.requests)
        await at_once(clients, lambda: self._one_client(advance), Unauthorized)
        self.tally.seconds = time.perf_counter() - started_s
        return self.tally

    async def _one_client(self, advance: Callable[[int], object]) -> None:
        while self._begun < self._order.requests:
            first = self._begun
            self._begun = min(first + self._order.batch, self._order.requests)
            numbers = range(first, self._begun)
            wishes = [await self._wish(self._events[n % len(self._events)]) for n in numbers]
            started_s = time.perf_counter()
            results = await self._carry_out(wishes)
            seconds = time.perf_counter() - started_s
            for wish, result in zip(wishes, results, strict=True):
                self.tally.latencies_s.append(seconds)
                self._note(wish, result)
            advance(len(wishes))

    async def _wish(self, event: OnSale) -> Wish:
        seats = self._order.seats
        version, on_conflict = await self._discipline(event)
        give_back = event.held >= seats and random.random() < self._order.returns  # noqa: S311
        if give_back:
            # Subtracted first, so that no other client returns the same seats.
            event.held -= seats
        return Wish(event, seats if give_back else -seats, version, on_conflict)

    async def _discipline(self, event: OnSale) -> tuple[Version, OnConflict]:
        match self._order.mode:
            case "any":
                return ANY, "fail"
            case "retry":
                return event.version, "retry"
            case "strict":
                seen = await self._client.get_event(event.before.event_id)
                return seen.version, "current"

    async def _carry_out(self, wishes: Sequence[Wish]) -> Sequence[MoveResult]:
        if self._order.batch > 1:
            return await self._client.move_many([_move(wish) for wish in wishes])
        (wish,) = wishes
        call = self._client.reserve if wish.quantity < 0 else self._client.return_seats
        try:
            moved = await call(
                wish.event.before.event_id,
                abs(wish.quantity),
                version=wish.version,
                on_conflict=wish.on_conflict,
            )
        except EventServiceError as error:
            return [error]
        return [moved]

    def _note(self, wish: Wish, result: MoveResult) -> None:
        if isinstance(result, Unauthorized):
            raise result
        event, seats = wish.event, abs(wish.quantity)
        if isinstance(result, EventServiceError):
            self.tally.failed(result)
            self._note_failed(event, wish.quantity, unknown=isinstance(result, OutcomeUnknown))
            return
        if wish.quantity < 0:
            event.sold += seats
            event.held += seats
            self.tally.reserves += 1
        else:
            event.returned += seats
            self.tally.returns += 1
        event.answered(result.version)
        self.tally.conflicts += result.conflicts
        self.tally.replays += result.replayed

    @staticmethod
    def _note_failed(event: OnSale, quantity: int, *, unknown: bool) -> None:
        if quantity < 0:
            event.maybe_sold += -quantity if unknown else 0
        elif unknown:
            event.maybe_returned += quantity
        else:
            event.held += quantity


def _move(wish: Wish) -> SeatMove:
    return SeatMove(wish.event.before.event_id, wish.quantity, wish.version, wish.on_conflict)


def report(order: Order, events: Sequence[OnSale], tally: Tally) -> list[str]:
    """The order and its results, line by line."""
    moves = len(tally.latencies_s)
    sold, returned = sum(e.sold for e in events), sum(e.returned for e in events)
    batch = f", {order.batch} to a request" if order.batch > 1 else ""
    return [
        f"{order.requests} moves by {order.clients} clients on {count_events(len(events))}{batch}",
        f"  mode        {order.mode}",
        f"  sold        {sold} seats in {tally.reserves} moves",
        f"  returned    {returned} seats in {tally.returns} moves",
        f"  refused     {by_code(tally.refused)}",
        f"  unknown     {by_code(tally.unknown)}",
        f"  conflicts   {tally.conflicts} that the clients retried",
        f"  replays     {tally.replays} answers replayed to a retry",
        f"  throughput  {moves / max(tally.seconds, 1e-9):.0f} moves/s for {tally.seconds:.1f} s",
        f"  latency     {quantiles(tally.latencies_s)}",
    ]
