"""Many seat moves in one request, each with its own key, tries and end.

Rule: there is no transaction over the moves. What is certain about one says nothing about another,
so the end of each is a result, and none is raised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from http import HTTPStatus
from typing import Any, TypeAlias
from uuid import UUID

from .answers import SeatsMoved
from .course import ClientLimits, Course, Safety
from .decode import read
from .errors import EventServiceError, Failure
from .sent import (
    ANY,
    INT32_MAX,
    Id,
    OnConflict,
    Version,
    amount_of,
    body_of,
    key_or_new,
    new_key,
    on_conflict_of,
    text_or_none,
    version_of,
)
from .transport import Answer, failure_of

# The most that the service takes in one request.
MOVES_MAX = 100


@dataclass(frozen=True, slots=True)
class SeatMove:
    """One of many moves: a negative `quantity` takes seats, a positive one returns them.

    `version`, `on_conflict`, `amount` and `holdback` are those of `reserve` and `return_seats`.
    `key` is the move's Idempotency-Key: keep the move, and the same call can be repeated after a
    cancellation.
    """

    event_id: Id
    quantity: int
    version: Version = ANY
    on_conflict: OnConflict = "retry"
    key: str = field(default_factory=new_key)
    amount: Decimal | int | None = None
    holdback: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.event_id, str | UUID):
            raise TypeError(f"event_id must be a string or a UUID, not {self.event_id!r}")
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise TypeError(f"quantity must be an int, not {self.quantity!r}")
        if not 1 <= abs(self.quantity) <= INT32_MAX:
            raise ValueError(f"quantity must be 1 to {INT32_MAX}, or negative to take seats")
        version_of(self.version)
        on_conflict_of(self.on_conflict)
        key_or_new(self.key)
        amount_of(self.amount)
        if text_or_none("holdback", self.holdback) is not None and self.quantity > 0:
            raise ValueError("holdback must be left out where seats are returned")


# The end of one move.
MoveResult: TypeAlias = SeatsMoved | EventServiceError


class PendingMove:
    """A move that has no end yet, and its course."""

    def __init__(self, move: SeatMove, limits: ClientLimits, call_s: float | None) -> None:
        self.move = move
        self.course = Course(limits, Safety.KEYED, move.key, call_s)
        self.result: MoveResult | None = None
        self._version: Version = move.version

    @property
    def body(self) -> Mapping[str, Any]:
        """The move as it is sent now."""
        body: dict[str, Any] = {
            "event_id": str(self.move.event_id),
            "quantity": self.move.quantity,
            "version": self._version,
            "idempotency_key": self.move.key,
        }
        if self._version != ANY and self.move.on_conflict == "retry":
            body["on_conflict"] = "retry"
        if self.move.amount is not None:
            body["amount"] = amount_of(self.move.amount)
        if self.move.holdback is not None:
            body["holdback"] = self.move.holdback
        return body

    def wait_s(self, failure: Failure) -> float:
        """How long to wait before the move is sent again; 0 and a result if it has ended."""
        try:
            current = failure.details.get("current_version")
            resolves = self.move.on_conflict == "current" and failure.code == "CONCURRENT_UPDATE"
            if resolves and isinstance(current, int):
                self._version = current
                return self.course.conflict_wait_s(failure)
            return self.course.wait_s(failure)
        except EventServiceError as error:
            self.result = error
            return 0.0


def body_with(pending: Sequence[PendingMove]) -> bytes:
    """One request with all of these."""
    return body_of({"moves": [one.body for one in pending]})


def results_of(
    pending: Sequence[PendingMove],
) -> Callable[[Answer, Course], list[SeatsMoved | Failure]]:
    """Reads what became of each of `pending`."""

    def results(answer: Answer, _: Course) -> list[SeatsMoved | Failure]:
        told = answer.body["results"]
        return [_told(one, answer, result) for one, result in zip(pending, told, strict=True)]

    return results


def _told(one: PendingMove, answer: Answer, result: Any) -> SeatsMoved | Failure:
    if result["status"] == HTTPStatus.OK:
        return read(
            SeatsMoved,
            result["answer"],
            key=one.move.key,
            replayed=result.get("replayed") is True,
            tries=one.course.tries,
            conflicts=one.course.conflicts,
        )
    headers = {"X-Request-ID": answer.headers.get("X-Request-ID", "")}
    if "retry_after" in result:
        headers["Retry-After"] = str(result["retry_after"])
    return failure_of(Answer(result["status"], headers, {"error": result["error"]}))
