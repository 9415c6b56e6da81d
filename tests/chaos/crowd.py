"""64 booking services at once: 70% reserve, 20% return, 10% read, and an admin now and then.

Of the moves, a part goes in requests that hold several. Beside them, some hold seats first
(`tests/chaos/shoppers.py`).

Rule: a client behaves as docs/api.md asks it to. It repeats a key until it knows, and believes
nothing but answers; all it does is in the history before it is sent.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from uuid import uuid4

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.bulk import BulkRequests
from tests.chaos.history import AdminChange, Attempt, End, History, Move, Read, Wish
from tests.chaos.shoppers import SHOPPERS, Shoppers

CLIENTS = 64
RESERVES, RETURNS = 0.7, 0.2
# Of the moves: those for a hot event, with a key, sent twice at once, hung up on.
HOT, KEYED, TWICE, HUNG_UP = 0.6, 0.9, 0.08, 0.08
# Of what a client does: several moves in one request; how many those are at most.
MANY, MANY_MAX = 0.08, 12
# Of the moves: at any version, at the one that was last seen; the rest lets the service retry.
ANY_VERSION, STRICT = 0.5, 0.25
# Each waits so long between two moves: about 1000 moves a second from all of them, which leaves
# the service and the database some of two processors.
THINK_MAX_S = 0.1
TRY_AGAIN_MIN_S, TRY_AGAIN_MAX_S = 0.02, 0.1
# Over the service's own worst case: 2 s in the queue, 3 s to commit, 5 s to resolve.
PATIENCE_S = 12.0
HANG_UP_MAX_S = 0.02
ADMIN_EVERY_S = 0.4
NOTHING_DONE = frozenset({"OVERLOADED", "DATABASE_UNAVAILABLE", "RATE_LIMITED"})

_ANSWERLESS = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass
class Booker:
    """A client: its dice, and the seats it holds."""

    dice: random.Random
    held: list[tuple[str, int]] = field(default_factory=list)


class Crowd:
    """All clients. `hot` events are large and never sell out, `small` ones do again and again."""

    def __init__(
        self,
        service: Service,
        history: History,
        hot: Sequence[str],
        small: Sequence[str],
        seed: int,
    ) -> None:
        self._service = service
        self._history = history
        self._hot, self._small = hot, small
        self._seed = seed
        self._seen: dict[str, int] = {}
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._kept = _session(limit=0)
        self._fresh = _session(limit=0, force_close=True)
        self._bulk = BulkRequests(service, history, self._heard)

    async def start(self) -> None:
        """Begin."""
        admin = await self._service.clients.admin()
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        self._tasks.append(asyncio.create_task(self._administer(admin)))
        shoppers = Shoppers(self._service, self._history, self._kept, self._event, self._heard)
        for number in range(SHOPPERS):
            seed = f"{self._seed} shopper {number}"
            self._tasks.append(asyncio.create_task(shoppers.run(seed, self._over)))

    async def stop(self, within_s: float) -> None:
        """Let every client finish what it has begun; none begins anything new."""
        self._over.set()
        done, pending = await asyncio.wait(self._tasks, timeout=within_s)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for session in (self._kept, self._fresh):
            await session.close()
        for task in done:
            task.result()

    async def _client(self, number: int) -> None:
        dice = random.Random(f"{self._seed} {number}")  # noqa: S311 - choices that can be repeated
        who = Booker(dice)
        while not self._over.is_set():
            drawn = dice.random()
            if dice.random() < MANY:
                await self._many(who)
            elif drawn < RESERVES:
                await self._reserve(who)
            elif drawn < RESERVES + RETURNS:
                await self._return(who)
            else:
                await self._read(self._event(dice))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), dice.uniform(0.0, THINK_MAX_S))

    def _event(self, dice: random.Random) -> str:
        return dice.choice(self._hot if dice.random() < HOT else self._small)

    async def _reserve(self, who: Booker) -> None:
        event_id, seats = self._event(who.dice), who.dice.randint(1, 4)
        if await self._move(who.dice, self._wish(who.dice, event_id, -seats)):
            who.held.append((event_id, seats))

    async def _return(self, who: Booker) -> None:
        # Now and then more than anybody holds.
        held, dice = who.held, who.dice
        mistaken = not held or dice.random() < 0.05
        event_id, seats = (
            (self._event(dice), 1_000_000) if mistaken else held.pop(dice.randrange(len(held)))
        )
        await self._move(dice, self._wish(dice, event_id, seats))

    async def _many(self, who: Booker) -> None:
        """Reserve and return in one request, and repeat what is not known, until it is."""
        dice, moves = who.dice, list[Move]()
        for _ in range(dice.randint(2, MANY_MAX)):
            if who.held and dice.random() < RETURNS:
                moves.append(self._wish(dice, *who.held.pop(dice.randrange(len(who.held)))))
            else:
                moves.append(self._wish(dice, self._event(dice), -dice.randint(1, 4)))
            moves[-1].key = moves[-1].key or str(uuid4())
        self._history.moves += moves
        twice = [dice.choice(moves)] if dice.random() < TWICE else []
        if dice.random() < HUNG_UP:
            sending = self._bulk.send([*moves, *twice], self._fresh)
            await _cut_short(sending, dice.uniform(0.0, HANG_UP_MAX_S))
        else:
            await self._bulk.send([*moves, *twice], self._kept)
        while unknown := [move for move in moves if not move.resolved]:
            await asyncio.sleep(dice.uniform(TRY_AGAIN_MIN_S, TRY_AGAIN_MAX_S))
            await self._bulk.send(unknown, self._kept)
        who.held += [(m.event_id, -m.quantity) for m in moves if m.quantity < 0 and m.ended(End.OK)]

    def _wish(self, dice: random.Random, event_id: str, quantity: int) -> Move:
        drawn = dice.random()
        seen = self._seen.get(event_id)
        version: int | Literal["*"] = "*" if drawn < ANY_VERSION or seen is None else seen
        retry = version != "*" and drawn >= ANY_VERSION + STRICT
        key = str(uuid4()) if dice.random() < KEYED else None
        return Move(event_id, key, quantity, version, retry)

    async def _move(self, dice: random.Random, move: Move) -> bool:
        """Whether the seats moved, once that is known; without a key it may never be."""
        self._history.moves.append(move)
        drawn = dice.random()
        if move.key is not None and drawn < TWICE:
            await asyncio.gather(
                self._try(move, self._kept), self._try(move, self._fresh), return_exceptions=False
            )
        elif drawn < TWICE + HUNG_UP:
            sending = self._try(move, self._fresh)
            await _cut_short(sending, dice.uniform(0.0, HANG_UP_MAX_S))
        else:
            await self._try(move, self._kept if drawn < 0.9 else self._fresh)
        while not move.resolved and (move.key is not None or not move.in_doubt):
            await asyncio.sleep(dice.uniform(TRY_AGAIN_MIN_S, TRY_AGAIN_MAX_S))
            await self._try(move, self._kept)
        return bool(move.ended(End.OK))

    async def _try(self, move: Move, session: aiohttp.ClientSession) -> None:
        attempt = Attempt(uuid4().hex, self._history.now())
        move.attempts.append(attempt)
        body: dict[str, Any] = {"quantity": move.quantity, "version": move.version}
        if move.retry:
            body["on_conflict"] = "retry"
        headers = self._service.api.internal | {"X-Request-ID": attempt.request_id}
        if move.key is not None:
            headers["Idempotency-Key"] = move.key
        action = "return-seats" if move.quantity > 0 else "update-availability"
        url = f"{self._service.process.url}/internal/events/{move.event_id}/{action}"
        try:
            async with session.post(url, json=body, headers=headers) as answer:
                attempt.told = await answer.json(content_type=None)
                attempt.replayed = answer.headers.get("Idempotent-Replayed") == "true"
                status = answer.status
        except aiohttp.ClientConnectorError:
            self._history.ended(move, attempt, End.NOTHING_DONE)
        except (*_ANSWERLESS, ValueError):
            self._history.ended(move, attempt, End.UNKNOWN)
        except asyncio.CancelledError:
            self._history.ended(move, attempt, End.HUNG_UP)
            raise
        else:
            self._heard(move, attempt, status)

    def _heard(self, wish: Wish, attempt: Attempt, status: int) -> None:
        if status == HTTPStatus.OK:
            self._seen[wish.event_id] = attempt.told["version"]
            return self._history.ended(wish, attempt, End.OK)
        error = attempt.told["error"]
        attempt.code, attempt.told = error["code"], error["details"]
        if attempt.code in NOTHING_DONE:
            end = End.NOTHING_DONE
        elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            end = End.UNKNOWN
        else:
            end = End.FAILED
        if "current_version" in attempt.told:
            self._seen[wish.event_id] = attempt.told["current_version"]
        return self._history.ended(wish, attempt, end)

    async def _read(self, event_id: str) -> None:
        url = f"{self._service.process.url}/internal/events/{event_id}"
        sent_s = self._history.now()
        try:
            async with self._kept.get(url, headers=self._service.api.internal) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except (*_ANSWERLESS, ValueError):
            self._history.counts["reads unanswered"] += 1
            return
        if status != HTTPStatus.OK:
            self._history.counts[f"reads answered {status}"] += 1
            return
        seats = told["available_seats"]
        self._history.reads.append(
            Read(event_id, sent_s, self._history.now(), told["version"], seats, told["status"])
        )
        self._seen[event_id] = told["version"]

    async def _administer(self, headers: dict[str, str]) -> None:
        """Change a description, and now and then the price too, at the version seen last."""
        dice = random.Random(f"{self._seed} admin")  # noqa: S311 - choices that can be repeated
        while not self._over.is_set():
            event_id = self._event(dice)
            await self._read(event_id)
            if event_id in self._seen:
                await self._change(event_id, headers, dice)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), ADMIN_EVERY_S)

    async def _change(self, event_id: str, headers: dict[str, str], dice: random.Random) -> None:
        change = AdminChange(event_id, str(uuid4()), self._history.now())
        body: dict[str, Any] = {
            "version": self._seen[event_id],
            "description": change.description,
        }
        if dice.random() < 0.3:
            body["base_price"] = dice.randint(1, 99) + 0.5
        self._history.changes.append(change)
        url = f"{self._service.process.url}/api/v1/admin/events/{event_id}"
        change.end = End.UNKNOWN
        try:
            async with self._kept.put(url, json=body, headers=headers) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except aiohttp.ClientConnectorError:
            change.end = End.NOTHING_DONE
        except (*_ANSWERLESS, ValueError):
            pass
        else:
            if status == HTTPStatus.OK:
                change.end, change.version = End.OK, told["version"]
            elif told["error"]["code"] in NOTHING_DONE:
                change.end = End.NOTHING_DONE
            elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
                change.end = End.FAILED
        change.heard_s = self._history.now()


async def _cut_short(sending: Coroutine[Any, Any, None], after_s: float) -> None:
    """Close the socket before the answer, unless that was there first."""
    task = asyncio.create_task(sending)
    done, _ = await asyncio.wait((task,), timeout=after_s)
    if not done:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _session(**connector: Any) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(**connector),
        timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
    )
    # It would send a PUT twice whose connection broke, and tell of the second one only.
    session._retry_connection = False
    return session
