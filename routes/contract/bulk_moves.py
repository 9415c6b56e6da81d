"""What clients send and get where one request holds many seat moves.

Rule: each move is what a request of its own would be, and so is its result; nothing here is about
all of them together.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
from pydantic import AfterValidator, Field

from routes.contract.answers import SeatsMoved
from routes.contract.bodies import SeatMove
from routes.contract.errors import ErrorDetail
from routes.contract.fields import Body, Uuid
from routes.contract.headers import KEY_MAX, is_bare_key
from routes.contract.refusal import refusal

# A hundred moves, each with the longest key, fit in the largest body.
MOVES_MAX = 100


def _key(text: str) -> str:
    if not is_bare_key(text):
        raise refusal(f"must be 1 to {KEY_MAX} printable ASCII characters")
    return text


Key = Annotated[
    str,
    AfterValidator(_key),
    Field(
        description="The move's own key, as `Idempotency-Key` is that of a single move; without one"
        " the move cannot be repeated",
        examples=["booking-7f3a"],
        json_schema_extra={"minLength": 1, "maxLength": KEY_MAX, "pattern": "^[ -~]+$"},
    ),
]


class SeatMoveOfEvent(SeatMove):
    """A seat move and its event: negative reserves seats, positive returns them."""

    event_id: Uuid
    idempotency_key: Key = Field(default_factory=str)


class SeatMoves(Body):
    """Seat moves, each on its own: there is no transaction over them."""

    arrays: ClassVar[Mapping[str, type[Body]]] = {"moves": SeatMoveOfEvent}
    moves: Annotated[list[SeatMoveOfEvent], Field(min_length=1, max_length=MOVES_MAX)]


class MoveResult(msgspec.Struct, omit_defaults=True):
    """What a request with this move alone would have been answered.

    `status` is its HTTP status: with 200 there is the `answer`, `replayed` if it is that to an
    earlier request with the key; otherwise there is the `error`, and `retry_after` in seconds if it
    may be tried again.
    """

    status: int
    answer: SeatsMoved | msgspec.UnsetType = msgspec.UNSET
    replayed: bool = False
    error: ErrorDetail | msgspec.UnsetType = msgspec.UNSET
    retry_after: int | msgspec.UnsetType = msgspec.UNSET


class MoveResults(msgspec.Struct):
    """The result of each move, in the order in which they were sent."""

    results: list[MoveResult]
