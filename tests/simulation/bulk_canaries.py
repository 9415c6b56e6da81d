"""Mutants of the code that lets in the moves of large requests; `canaries` tries them.

Rule: as in `canaries`, each is patched in for the time of its trial only.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from actors.bulk_moves import BulkMoves, Result, _BulkRequest
from evently.domain.errors import OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer


@contextmanager
def mix_up_the_results_of_a_request() -> Iterator[None]:
    original = BulkMoves._answered

    def _answered(
        self: BulkMoves, request: Any, place: int, answer: "asyncio.Future[Answer]"
    ) -> None:
        original(self, request, place, answer)
        request.results.reverse()

    with patch.object(BulkMoves, "_answered", _answered):
        yield


@contextmanager
def answer_a_request_before_its_last_move() -> Iterator[None]:
    original = _BulkRequest.ended

    def ended(self: _BulkRequest, place: int, result: Result) -> None:
        self.open = 1
        original(self, place, result)

    with patch.object(_BulkRequest, "ended", ended):
        yield


@contextmanager
def call_a_lost_answer_overloaded() -> Iterator[None]:
    original = BulkMoves._answered

    def _answered(
        self: BulkMoves, request: Any, place: int, answer: "asyncio.Future[Answer]"
    ) -> None:
        original(self, request, place, answer)
        if isinstance(request.results[place], OutcomeUnknown):
            request.results[place] = Overloaded()

    with patch.object(BulkMoves, "_answered", _answered):
        yield
