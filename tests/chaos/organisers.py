"""Organisers at work: they change descriptions and prices, lists of blocks, and times of sales.

Rules:

1. A change goes out once, under a description like no other; what became of it is told by that.
2. In the end every event is on sale, so that whoever waits for an opening gets an answer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.history import NOTHING_DONE, AdminChange, End, History
from tests.chaos.programme import Programme, from_now, some_blocks

DESCRIBE_EVERY_S, LIST_EVERY_S = 0.4, 0.3
# Sales go on, and are closed, for so long at a time.
OPEN_S, CLOSED_S = (0.7, 2.0), (0.3, 1.5)
# By then the first openings are over.
FIRST_S = 1.5
# Of the changes of a window: at the version that was read, whatever moves meanwhile.
STRICT = 0.3
TRY_AGAIN_S = 0.1
# A strict change of an event that sells loses to its moves now and then.
TRIES = 10
ANSWERLESS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
# What opens sales, whatever has closed them.
OPEN: Mapping[str, Any] = {"paused": False, "sales_start": None, "sales_end": None}


class Organisers:
    """All of them, with one admin's `headers`. `read` looks at an event, which makes it `seen`."""

    def __init__(
        self,
        service: Service,
        history: History,
        programme: Programme,
        session: aiohttp.ClientSession,
        read: Callable[[str], Awaitable[None]],
        seen: Mapping[str, int],
    ) -> None:
        self._service = service
        self._history = history
        self._programme = programme
        self._session = session
        self._read = read
        self._seen = seen
        self._headers: Mapping[str, str] = {}

    async def start(self, seed: int, over: asyncio.Event) -> list[Coroutine[Any, Any, None]]:
        """What each of them does until it is over."""
        self._headers = await self._service.clients.admin()

        def dice(name: str) -> random.Random:
            return random.Random(f"{seed} {name}")  # noqa: S311 - choices that can be repeated

        return [
            self._describe(dice("admin"), over),
            self._keep_back(dice("blocks"), over),
            *(
                self._open_and_close(event_id, number, dice(f"window {number}"), over)
                for number, event_id in enumerate(self._programme.windowed)
            ),
        ]

    async def _describe(self, dice: random.Random, over: asyncio.Event) -> None:
        """Change a description, and now and then the price too, at the version seen last."""
        while not over.is_set():
            prices = {"base_price": dice.randint(1, 99) + 0.5} if dice.random() < 0.3 else {}
            await self._change(self._programme.pick(dice), prices)
            await _sleep(over, DESCRIBE_EVERY_S)

    async def _keep_back(self, dice: random.Random, over: asyncio.Event) -> None:
        """Give an event another list of blocks, as a whole, so at the version that was read."""
        while not over.is_set():
            event_id = dice.choice(list(self._programme.blocks))
            blocks = some_blocks(dice, self._programme.blocks[event_id])
            await self._change(event_id, {"holdbacks": blocks})
            await _sleep(over, LIST_EVERY_S)

    async def _open_and_close(
        self, event_id: str, way: int, dice: random.Random, over: asyncio.Event
    ) -> None:
        """Close sales in one way after the other, beginning with `way`, and open them again."""
        await _sleep(over, FIRST_S)
        while not over.is_set():
            await _sleep(over, dice.uniform(*OPEN_S))
            closed_s, strict = dice.uniform(*CLOSED_S), dice.random() < STRICT
            match way % 3:
                case 0:
                    await self._change(event_id, {"paused": True}, strict=strict)
                    await _sleep(over, closed_s)
                    await self._change(event_id, OPEN, strict=strict)
                case 1:
                    # They open by themselves.
                    opens = {**OPEN, "sales_start": from_now(closed_s)}
                    await self._change(event_id, opens, strict=strict)
                    await _sleep(over, closed_s)
                case _:
                    closes = {**OPEN, "sales_end": from_now(closed_s)}
                    await self._change(event_id, closes, strict=strict)
                    await _sleep(over, 2 * closed_s)
                    await self._change(event_id, OPEN, strict=strict)
            way += 1
        while await self._change(event_id, OPEN, strict=False) is not End.OK:
            await asyncio.sleep(TRY_AGAIN_S)

    async def _change(
        self, event_id: str, wanted: Mapping[str, Any], *, strict: bool = True
    ) -> End:
        """Read and ask, again if somebody else was faster; how it ended."""
        end = End.OPEN
        for _ in range(TRIES):
            end = await self._ask(event_id, wanted, strict=strict)
            if end is not End.FAILED:
                break
        return end

    async def _ask(self, event_id: str, wanted: Mapping[str, Any], *, strict: bool) -> End:
        await self._read(event_id)
        if event_id not in self._seen:
            return End.NOTHING_DONE
        change = AdminChange(event_id, str(uuid4()), self._history.now(), wanted=wanted)
        body = {"version": self._seen[event_id], "description": change.description, **wanted}
        if not strict:
            body["on_conflict"] = "retry"
        self._history.changes.append(change)
        url = f"{self._service.process.url}/api/v1/admin/events/{event_id}"
        change.end = End.UNKNOWN
        try:
            async with self._session.put(url, json=body, headers=self._headers) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except aiohttp.ClientConnectorError:
            change.end = End.NOTHING_DONE
        except ANSWERLESS:
            pass
        else:
            if status == HTTPStatus.OK:
                change.end, change.version = End.OK, told["version"]
            elif told["error"]["code"] in NOTHING_DONE:
                change.end = End.NOTHING_DONE
            elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
                change.end = End.FAILED
                self._history.counts[f"changes refused: {told['error']['code']}"] += 1
        change.heard_s = self._history.now()
        return change.end


async def _sleep(over: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until it is over."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)
