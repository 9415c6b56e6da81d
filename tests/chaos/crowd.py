"""64 booking services at once: 70% reserve, 20% return, 10% read.

Of the moves, a part goes in requests that hold several. Beside them, some hold seats first
(`tests/chaos/shoppers.py`), and organisers change the events (`tests/chaos/organisers.py`).

Rule: a client behaves as docs/api.md asks it to. It repeats a key until it knows, and believes
nothing but answers; all it does is in the history before it is sent.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.bulk import BulkRequests
from tests.chaos.history import (
    NOT_ON_SALE,
    NOTHING_DONE,
    Attempt,
    End,
    History,
    Move,
    Read,
    Wish,
)
from tests.chaos.openings import pause_s
from tests.chaos.organisers import Organisers
from tests.chaos.programme import Programme
from tests.chaos.shoppers import SHOPPERS, Shoppers
from tests.chaos.wishes import MISTAKEN_SEATS, Wishes, body_of

CLIENTS = 64
RESERVES, RETURNS = 0.7, 0.2
# Of the moves: those that are sent twice at once, and those that are hung up on.
TWICE, HUNG_UP = 0.08, 0.08
# Of what a client does: several moves in one request; how many those are at most.
MANY, MANY_MAX = 0.08, 12
# Each waits so long between two moves: about 1000 moves a second from all of them, which leaves
# the service and the database some of two processors.
THINK_MAX_S = 0.1
# Over the service's own worst case: 2 s in the queue, 3 s to commit, 5 s to resolve.
PATIENCE_S = 12.0
HANG_UP_MAX_S = 0.02
# So many wait for an opening at most.
WAITING_MAX = 60

_ANSWERLESS = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass
class Booker:
    """A client: its dice, and the seats it holds."""

    dice: random.Random
    held: list[tuple[str, int]] = field(default_factory=list)


class Crowd:
    """All clients of the events of a programme."""

    def __init__(self, service: Service, history: History, programme: Programme, seed: int) -> None:
        self._service = service
        self._history = history
        self._programme = programme
        self._seed = seed
        self._seen: dict[str, int] = {}
        self._wishes = Wishes(programme, self._seen)
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: list[asyncio.Task[None]] = []
        self._kept = _session(limit=0)
        self._fresh = _session(limit=0, force_close=True)
        self._bulk = BulkRequests(service, history, self._heard)

    async def start(self) -> None:
        """Begin."""
        organisers = Organisers(
            self._service, self._history, self._programme, self._kept, self._read, self._seen
        )
        acts = await organisers.start(self._seed, self._over)
        self._tasks = [asyncio.create_task(act) for act in acts]
        self._tasks += [asyncio.create_task(self._client(number)) for number in range(CLIENTS)]
        shoppers = Shoppers(self._service, self._history, self._kept, self._event, self._heard)
        for number in range(SHOPPERS):
            seed = f"{self._seed} shopper {number}"
            self._tasks.append(asyncio.create_task(shoppers.run(seed, self._over)))

    async def stop(self, within_s: float) -> None:
        """Let every client finish what it has begun; none begins anything new."""
        self._over.set()
        until_s = self._history.now() + within_s
        done, pending = await asyncio.wait(self._tasks, timeout=within_s)
        # Nobody begins to wait any more.
        if self._waiting:
            left_s = max(0.0, until_s - self._history.now())
            also_done, also_pending = await asyncio.wait(self._waiting, timeout=left_s)
            done, pending = done | also_done, pending | also_pending
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

    async def _reserve(self, who: Booker) -> None:
        move = self._wishes.reserve(who.dice, self._event(who.dice))
        if move.event_id in self._programme.windowed:
            # Whoever waits for an opening does other things meanwhile.
            self._aside(self._reserved(who, move, random.Random(who.dice.random())))  # noqa: S311
        else:
            await self._reserved(who, move, who.dice)

    async def _reserved(self, who: Booker, move: Move, dice: random.Random) -> None:
        if await self._move(dice, move):
            who.held.append((move.event_id, -move.quantity))

    def _event(self, dice: random.Random) -> str:
        many_wait = len(self._waiting) >= WAITING_MAX
        return self._programme.pick_open(dice) if many_wait else self._programme.pick(dice)

    def _aside(self, act: Coroutine[Any, Any, None]) -> None:
        self._waiting.append(asyncio.create_task(act))
        self._waiting = [task for task in self._waiting if not _well_done(task)]

    async def _return(self, who: Booker) -> None:
        # Now and then more than anybody holds.
        held, dice = who.held, who.dice
        mistaken = not held or dice.random() < 0.05
        event_id, seats = (
            (self._event(dice), MISTAKEN_SEATS) if mistaken else held.pop(dice.randrange(len(held)))
        )
        move = self._wishes.give_back(dice, event_id, seats)
        if not await self._move(dice, move) and move.ended(End.FAILED) and not mistaken:
            held.append((event_id, seats))

    async def _many(self, who: Booker) -> None:
        """Reserve and return in one request, and repeat what is not known, until it is."""
        dice, moves = who.dice, list[Move]()
        for _ in range(dice.randint(2, MANY_MAX)):
            if who.held and dice.random() < RETURNS:
                returned = who.held.pop(dice.randrange(len(who.held)))
                moves.append(self._wishes.give_back(dice, *returned))
            else:
                moves.append(self._wishes.reserve(dice, self._event(dice)))
            moves[-1].key = moves[-1].key or str(uuid4())
        self._history.moves += moves
        twice = [dice.choice(moves)] if dice.random() < TWICE else []
        if dice.random() < HUNG_UP:
            sending = self._bulk.send([*moves, *twice], self._fresh)
            await _cut_short(sending, dice.uniform(0.0, HANG_UP_MAX_S))
        else:
            await self._bulk.send([*moves, *twice], self._kept)
        closed = [move for move in moves if move.event_id in self._programme.windowed]
        self._aside(self._settled(who, closed, random.Random(dice.random())))  # noqa: S311
        await self._settled(who, [move for move in moves if move not in closed], dice)

    async def _settled(self, who: Booker, moves: Sequence[Move], dice: random.Random) -> None:
        while unknown := [move for move in moves if not move.resolved]:
            await asyncio.sleep(max(pause_s(dice, move) for move in unknown))
            await self._bulk.send(unknown, self._kept)
        for move in moves:
            if (move.quantity < 0) is bool(move.ended(End.OK)):
                who.held.append((move.event_id, abs(move.quantity)))

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
            await asyncio.sleep(pause_s(dice, move))
            await self._try(move, self._kept)
        return bool(move.ended(End.OK))

    async def _try(self, move: Move, session: aiohttp.ClientSession) -> None:
        attempt = Attempt(uuid4().hex, self._history.now())
        move.attempts.append(attempt)
        headers = self._service.api.internal | {"X-Request-ID": attempt.request_id}
        if move.key is not None:
            headers["Idempotency-Key"] = move.key
        action = "return-seats" if move.quantity > 0 else "update-availability"
        url = f"{self._service.process.url}/internal/events/{move.event_id}/{action}"
        try:
            async with session.post(url, json=body_of(move), headers=headers) as answer:
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
        elif attempt.code == NOT_ON_SALE:
            end = End.CLOSED
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


def _well_done(task: asyncio.Task[None]) -> bool:
    """Whether nothing is left to be said of it."""
    return task.done() and not task.cancelled() and task.exception() is None


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
