"""Booking services that hold seats while their buyers pay, and then confirm, release or forget.

Rule: as in the crowd, a client repeats a key until it knows, and all that it does is in the history
before it is sent.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.history import Attempt, End, History, HoldStep, Kind, Purchase, Wish
from tests.chaos.openings import pause_s
from tests.chaos.wishes import paid

SHOPPERS = 12
# Of the holds: confirmed, released, both at the same time; the rest is forgotten.
CONFIRMED, RELEASED, BOTH = 0.55, 0.2, 0.1
# Of the requests: sent twice at once.
TWICE = 0.1
# The shortest that there is, so that those of the first faults expire in the last ones.
DURATION_S = 30
PAYS_MAX_S = 0.5
# Of the holds: those whose confirm says what was paid.
WITH_AMOUNT = 0.4
ANSWERLESS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class Shoppers:
    """All of them. `pick` draws an event; `heard` notes what became of an attempt."""

    def __init__(
        self,
        service: Service,
        history: History,
        session: aiohttp.ClientSession,
        pick: Callable[[random.Random], str],
        heard: Callable[[Wish, Attempt, int], None],
    ) -> None:
        self._service = service
        self._history = history
        self._session = session
        self._pick = pick
        self._heard = heard

    async def run(self, seed: str, over: asyncio.Event) -> None:
        """One of them, until it is over."""
        dice = random.Random(seed)  # noqa: S311 - choices that can be repeated
        while not over.is_set():
            await self._shop(dice)
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), dice.uniform(0.0, PAYS_MAX_S))

    async def _shop(self, dice: random.Random) -> None:
        purchase = Purchase(self._pick(dice), dice.randint(1, 4))
        if dice.random() < WITH_AMOUNT:
            purchase.amount = paid(dice, purchase.quantity)
        self._history.purchases.append(purchase)
        placed = await self._step(dice, purchase, "held")
        if not placed.ended(End.OK):
            return
        purchase.hold_id = placed.ended(End.OK)[0].told["hold"]["hold_id"]
        await asyncio.sleep(dice.uniform(0.0, PAYS_MAX_S))
        drawn = dice.random()
        if drawn < BOTH:
            await asyncio.gather(
                self._step(dice, purchase, "confirmed"), self._step(dice, purchase, "released")
            )
        elif drawn < BOTH + CONFIRMED:
            await self._step(dice, purchase, "confirmed")
        elif drawn < BOTH + CONFIRMED + RELEASED:
            await self._step(dice, purchase, "released")

    async def _step(self, dice: random.Random, purchase: Purchase, kind: Kind) -> HoldStep:
        """Ask until it is known what became of it."""
        step = HoldStep(purchase.event_id, str(uuid4()), kind)
        purchase.steps.append(step)
        times = 2 if dice.random() < TWICE else 1
        await asyncio.gather(*[self._try(purchase, step) for _ in range(times)])
        while not step.resolved:
            await asyncio.sleep(pause_s(dice, step))
            await self._try(purchase, step)
        return step

    async def _try(self, purchase: Purchase, step: HoldStep) -> None:
        attempt = Attempt(uuid4().hex, self._history.now())
        step.attempts.append(attempt)
        assert step.key is not None, "every step has a key"
        headers = self._service.api.internal | {
            "X-Request-ID": attempt.request_id,
            "Idempotency-Key": step.key,
        }
        method, path, body = _request(purchase, step.kind)
        url = f"{self._service.process.url}/internal/events/{purchase.event_id}/holds{path}"
        try:
            async with self._session.request(method, url, headers=headers, json=body) as answer:
                attempt.told = await answer.json(content_type=None)
                attempt.replayed = answer.headers.get("Idempotent-Replayed") == "true"
                status = answer.status
        except aiohttp.ClientConnectorError:
            self._history.ended(step, attempt, End.NOTHING_DONE)
        except ANSWERLESS:
            self._history.ended(step, attempt, End.UNKNOWN)
        else:
            self._heard(step, attempt, HTTPStatus.OK if status == HTTPStatus.CREATED else status)


def _request(purchase: Purchase, kind: Kind) -> tuple[str, str, dict[str, Any] | None]:
    """The method, the path below the event's holds, and the body."""
    match kind:
        case "held":
            return "POST", "", {"quantity": purchase.quantity, "duration_s": DURATION_S}
        case "confirmed":
            body = None if purchase.amount is None else {"amount": float(purchase.amount)}
            return "POST", f"/{purchase.hold_id}/confirm", body
        case "released":
            return "DELETE", f"/{purchase.hold_id}", None
