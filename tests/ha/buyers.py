"""Booking services that use two nodes in turn, and what is true of their keys afterwards.

Rule: every move has a key, which is sent again until its outcome is known; nothing but answers is
believed, and the ledger is read from PostgreSQL itself.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg

from evently.domain.value import value

BUYERS = 24
# Some 300 moves a second from all of them, which leaves three servers some of two processors.
THINK_MAX_S = 0.1
AGAIN_S = 0.1
# Over the service's own worst case of 10 s.
PATIENCE_S = 12.0
# A commit may be unknown for as long as the cluster has no primary.
RESOLVED_S = 60.0
# One move in four is for an event that sells out, so that there are refusals.
SCARCE = 0.25


@dataclass(slots=True)
class Move:
    """A key, and what was heard of it; `version` is what its OK said."""

    event_id: str
    key: str
    quantity: int
    versions: set[int] = field(default_factory=set)
    refused: bool = False

    @property
    def known(self) -> bool:
        """Whether its outcome is known."""
        return bool(self.versions) or self.refused


@value
class Count:
    """What is wrong, in keys; and how many moves there were."""

    moves: int
    lost: int
    doubled: int
    refused_then_done: int
    unresolved: int

    @property
    def wrong(self) -> int:
        """Whether anything is."""
        return self.lost + self.doubled + self.refused_then_done + self.unresolved


class Buyers:
    """All of them, at the services at `urls`."""

    def __init__(
        self, urls: Sequence[str], key: str, hot: Sequence[str], scarce: Sequence[str]
    ) -> None:
        self._urls, self._key = urls, key
        self._hot, self._scarce = hot, scarce
        self._moves: list[Move] = []
        self._oks_s: list[float] = []
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def events(self) -> list[str]:
        """The events they buy seats of."""
        return [*self._hot, *self._scarce]

    async def start(self) -> None:
        """Begin."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
        )
        self._tasks = [asyncio.create_task(self._buy(number)) for number in range(BUYERS)]

    async def stop(self) -> None:
        """Let each of them finish its move."""
        self._over.set()
        _, unfinished = await asyncio.wait(self._tasks, timeout=RESOLVED_S)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    def oks_since(self, since_s: float) -> int:
        """How many were heard since then."""
        return sum(heard_s >= since_s for heard_s in self._oks_s)

    def silence_s(self, since_s: float) -> float:
        """The longest time without an OK, from then until the last one."""
        times = [since_s, *sorted(heard_s for heard_s in self._oks_s if heard_s > since_s)]
        return max((later - sooner for sooner, later in pairwise(times)), default=0.0)

    async def check(self, connection: "asyncpg.Connection[asyncpg.Record]") -> Count:
        """Compare all that was heard with the ledger."""
        rows = await connection.fetch(
            "SELECT request_key, version, seat_delta FROM event_ledger"
            " WHERE event_id = ANY ($1::uuid[])",
            self.events,
        )
        return count(self._moves, [dict(row) for row in rows])

    async def _buy(self, number: int) -> None:
        dice = random.Random(number)  # noqa: S311 - choices that can be repeated
        held: list[str] = []
        while not self._over.is_set():
            event_id = dice.choice(self._scarce if dice.random() < SCARCE else self._hot)
            quantity = -1
            if held and dice.random() < SCARCE:
                event_id, quantity = held.pop(), 1
            move = Move(event_id, str(uuid4()), quantity)
            self._moves.append(move)
            node = dice.randrange(len(self._urls))
            while not move.known:
                await self._send(move, self._urls[node % len(self._urls)])
                node += 1
            if move.versions and quantity < 0:
                held.append(event_id)
            await asyncio.sleep(dice.uniform(0.0, THINK_MAX_S))

    async def _send(self, move: Move, url: str) -> None:
        action = "update-availability" if move.quantity < 0 else "return-seats"
        headers = {"X-API-Key": self._key, "Idempotency-Key": move.key}
        body = {"quantity": move.quantity, "version": "*"}
        try:
            async with self._session.post(
                f"{url}/internal/events/{move.event_id}/{action}", json=body, headers=headers
            ) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            await asyncio.sleep(AGAIN_S)
            return
        if status == HTTPStatus.OK:
            move.versions.add(told["version"])
            self._oks_s.append(time.monotonic())
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            move.refused = True
        else:
            await asyncio.sleep(AGAIN_S)


def count(moves: Sequence[Move], rows: Sequence[Mapping[str, Any]]) -> Count:
    """What of the moves does not fit the rows of the ledger. Pure: it only looks."""
    times = Counter(row["request_key"] for row in rows)
    done = {row["request_key"]: (row["version"], row["seat_delta"]) for row in rows}
    return Count(
        moves=len(moves),
        lost=sum(
            done.get(move.key) not in {(version, move.quantity) for version in move.versions}
            for move in moves
            if move.versions
        ),
        doubled=sum(times[move.key] > 1 or len(move.versions) > 1 for move in moves),
        refused_then_done=sum(move.refused and move.key in done for move in moves),
        unresolved=sum(not move.known for move in moves),
    )
