"""Acts as a busy booking service that holds seats, and looks what became of every hold.

Rule: as `burst_play`, it trusts no answer: once all holds have ended, exactly the seats that were
confirmed are missing from an event.
"""

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from evently.commands.burst_figures import by_code, count_events, quantiles
from evently.commands.burst_play import OnSale, at_once, problems
from evently.domain.value import value
from evently_client import (
    EventServiceClient,
    EventServiceError,
    OutcomeUnknown,
    SeatsHeld,
    Unauthorized,
)

# What a call of unknown outcome may have made: its own version, and that of an expiry.
VERSIONS_OF_UNKNOWN = 2
# The service writes an expiry within a second where there is traffic, and within seven where there
# is none; the rest is for a busy machine.
EXPIRY_S = 15.0
LOOK_S = 0.5


@value
class HoldOrder:
    """What to play: the shares of holds that are confirmed and released; the others expire."""

    clients: int
    requests: int
    seats: int
    hold_for_s: int
    confirms: float
    releases: float


@value
class Left:
    """A hold that was left to its time, or whose end is not known."""

    event: OnSale
    hold_id: str


class HoldTally:
    """The results of all calls; latencies are in seconds, of whole calls with their retries."""

    def __init__(self) -> None:
        self.seats: Counter[str] = Counter()
        self.left: list[Left] = []
        # What became of those that were left, by the status of the hold.
        self.ended: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.replays = 0
        self.latencies_s = {step: array("d") for step in ("hold", "confirm", "release")}
        self.seconds = 0.0


class HoldBurst:
    """Plays `order` on `events`; each client takes one hold to its end, then the next."""

    def __init__(
        self, client: EventServiceClient, events: Sequence[OnSale], order: HoldOrder
    ) -> None:
        self.tally = HoldTally()
        self._client = client
        self._events = events
        self._order = order
        self._begun = 0
        self._placed_s = time.monotonic()

    async def play(self, advance: Callable[[int], object] = lambda holds: None) -> HoldTally:
        """Place all holds; call `advance` with how many were dealt with. Raises Unauthorized."""
        started_s = time.perf_counter()
        await self._all_clients(lambda: self._one_client(advance))
        self.tally.seconds = time.perf_counter() - started_s
        return self.tally

    @property
    def left_s(self) -> float:
        """How long the last hold may still last."""
        if not (self.tally.left or self.tally.unknown):
            return 0.0
        return max(0.0, self._placed_s + self._order.hold_for_s - time.monotonic())

    async def look(self) -> None:
        """Read what became of the holds that were left. Raises EventServiceError."""
        left = iter(self.tally.left)

        async def one_client() -> None:
            for one in left:
                hold = await self._client.find_hold(one.event.before.event_id, one.hold_id)
                self.tally.ended[hold.status] += 1
                if hold.status == "confirmed":
                    one.event.sold += hold.quantity

        await self._all_clients(one_client)

    async def settle(self, *, alone: bool, expiry_s: float = EXPIRY_S) -> list[str]:
        """What does not add up, once the last expiry had the time to be written."""
        gives_up_s = time.monotonic() + expiry_s
        while True:
            found = await problems(self._client, self._events, alone=alone)
            if not found or time.monotonic() > gives_up_s:
                return found
            await asyncio.sleep(LOOK_S)

    async def _all_clients(self, one_client: Callable[[], Coroutine[Any, Any, None]]) -> None:
        clients = min(self._order.clients, self._order.requests)
        await at_once(clients, one_client, EventServiceError)

    async def _one_client(self, advance: Callable[[int], object]) -> None:
        while self._begun < self._order.requests:
            event = self._events[self._begun % len(self._events)]
            self._begun += 1
            await self._one_hold(event)
            advance(1)

    async def _one_hold(self, event: OnSale) -> None:
        event_id, order = event.before.event_id, self._order
        placed = self._client.hold(event_id, order.seats, duration_s=order.hold_for_s)
        held = await self._step("hold", event, placed)
        self._placed_s = time.monotonic()
        if not isinstance(held, SeatsHeld):
            return
        hold_id, left = held.hold.hold_id, Left(event, held.hold.hold_id)
        drawn = random.random()  # noqa: S311
        if drawn >= order.confirms + order.releases:
            event.more_versions_max += 1
            self.tally.left.append(left)
            return
        if drawn < order.confirms:
            ended = await self._step("confirm", event, self._client.confirm(event_id, hold_id))
            event.sold += ended.hold.quantity if isinstance(ended, SeatsHeld) else 0
        else:
            ended = await self._step("release", event, self._client.release(event_id, hold_id))
        if not isinstance(ended, SeatsHeld):
            event.more_versions_max += 1
            self.tally.left.append(left)

    async def _step(
        self, step: str, event: OnSale, call: Awaitable[SeatsHeld]
    ) -> SeatsHeld | EventServiceError:
        started_s = time.perf_counter()
        try:
            answer = await call
        except Unauthorized:
            raise
        except EventServiceError as error:
            unknown = isinstance(error, OutcomeUnknown)
            event.more_versions_max += VERSIONS_OF_UNKNOWN if unknown else 0
            (self.tally.unknown if unknown else self.tally.refused)[error.code] += 1
            return error
        finally:
            self.tally.latencies_s[step].append(time.perf_counter() - started_s)
        event.answered(answer.version)
        self.tally.seats[step] += answer.hold.quantity
        self.tally.replays += answer.replayed
        return answer


def report_holds(order: HoldOrder, events: Sequence[OnSale], tally: HoldTally) -> list[str]:
    """The order and its results, line by line."""
    calls = sum(map(len, tally.latencies_s.values()))
    return [
        f"{order.requests} holds by {order.clients} clients on {count_events(len(events))}",
        f"  held        {tally.seats['hold']} seats for {order.hold_for_s} s",
        f"  confirmed   {tally.seats['confirm']} seats",
        f"  released    {tally.seats['release']} seats",
        f"  left        {by_code(tally.ended)}",
        f"  refused     {by_code(tally.refused)}",
        f"  unknown     {by_code(tally.unknown)}",
        f"  replays     {tally.replays} answers replayed to a retry",
        f"  throughput  {calls / max(tally.seconds, 1e-9):.0f} calls/s for {tally.seconds:.1f} s",
        *(f"  {step:<11} {quantiles(times)}" for step, times in tally.latencies_s.items() if times),
    ]
