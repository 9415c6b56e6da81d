"""Requests that hold many moves: every move is one of the history's, tried as if it were alone.

Rule: all tries of a request have its id, its time and its end, but each its own answer; moves in
such requests have keys.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp

from tests.acceptance.service import Service
from tests.chaos.history import Attempt, End, History, Move
from tests.chaos.wishes import body_of

ANSWERLESS = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


class BulkRequests:
    """Sends them; `heard` notes what became of each move that was answered."""

    def __init__(
        self, service: Service, history: History, heard: Callable[[Move, Attempt, int], None]
    ) -> None:
        self._service = service
        self._history = history
        self._heard = heard

    async def send(self, moves: Sequence[Move], session: aiohttp.ClientSession) -> None:
        """Try each of `moves` once, in one request; a move may be among them twice."""
        request_id, now_s = uuid4().hex, self._history.now()
        tries = [(move, Attempt(request_id, now_s)) for move in moves]
        for move, attempt in tries:
            move.attempts.append(attempt)
        headers = self._service.api.internal | {"X-Request-ID": request_id}
        url = f"{self._service.process.url}/internal/moves"
        body = {
            "moves": [
                {**body_of(move), "event_id": move.event_id, "idempotency_key": move.key}
                for move in moves
            ]
        }
        try:
            async with session.post(url, json=body, headers=headers) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except aiohttp.ClientConnectorError:
            self._end(tries, End.NOTHING_DONE)
        except ANSWERLESS:
            self._end(tries, End.UNKNOWN)
        except asyncio.CancelledError:
            self._end(tries, End.HUNG_UP)
            raise
        else:
            self._history.counts["requests for many moves"] += 1
            self._told(tries, status, told)

    def _told(self, tries: Sequence[tuple[Move, Attempt]], status: int, told: Any) -> None:
        alone = status == HTTPStatus.OK
        results = told["results"] if alone else [{"status": status, **told}] * len(tries)
        for (move, attempt), result in zip(tries, results, strict=True):
            attempt.told = result.get("answer", result)
            attempt.replayed = result.get("replayed", False)
            self._heard(move, attempt, result["status"])

    def _end(self, tries: Sequence[tuple[Move, Attempt]], end: End) -> None:
        for move, attempt in tries:
            self._history.ended(move, attempt, end)
