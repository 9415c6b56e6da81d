"""What a booking service calls for an event: read it, reserve seats, return seats."""

import json
import ssl as tls
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import aiohttp

from .answers import EventForBooking, SeatsMoved
from .bulk import MOVES_MAX, MoveResult, PendingMove, SeatMove, body_with, results_of
from .calls import Call, Calls, RetryHook, body_as
from .course import ClientLimits, Course, Safety
from .decode import read
from .errors import Failure
from .feed import Feed
from .holds import Holds
from .sent import (
    ANY,
    Id,
    OnConflict,
    Version,
    amount_of,
    key_or_new,
    on_conflict_of,
    seats_of,
    segment,
    text_or_none,
    version_of,
)
from .transport import Answer, Request, Transport


class SeatMoves(Calls):
    """The calls of a booking service."""

    async def get_event(self, event_id: Id) -> EventForBooking:
        """The event as it is now. Raises EventNotFound, Unavailable or another Refused."""
        return await self._call(Call("get_event", "GET", _path(event_id), body_as(EventForBooking)))

    async def reserve(
        self,
        event_id: Id,
        seats: int,
        *,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        amount: Decimal | int | None = None,
        holdback: str | None = None,
        key: str | None = None,
    ) -> SeatsMoved:
        """Take `seats` (1 or more) of an event.

        `version` is the one that the caller's decision is based on, "*" for any. If the event has
        changed since: "retry" takes the seats if only the seat count changed; "current" takes
        them whatever has changed, price included; "fail" raises ConcurrentUpdate. `amount` is the
        money for all of them, by default the event's price for each. They come from the block of
        the name `holdback`, or from the free seats. `key` is the Idempotency-Key; without one, the
        call makes its own.

        Raises InsufficientSeats, EventNotModifiable, EventNotFound, HoldbackNotFound,
        ConcurrentUpdate, another Refused, Unavailable or OutcomeUnknown.
        """
        target = _path(event_id, "/update-availability")
        block = text_or_none("holdback", holdback)
        move = _Move(-seats_of(seats), on_conflict_of(on_conflict), amount_of(amount), block)
        return await self._call(_call("reserve", target, move, version, key))

    async def return_seats(
        self,
        event_id: Id,
        seats: int,
        *,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        amount: Decimal | int | None = None,
        key: str | None = None,
    ) -> SeatsMoved:
        """Return `seats` (1 or more) of an event; `version` and the rest as for `reserve`.

        `amount` is the money paid back, by default the seats' share of the event's revenue.

        Raises SeatsExceedCapacity, AmountExceedsRevenue, EventNotFound, ConcurrentUpdate,
        EventNotModifiable once the event is archived, another Refused, Unavailable or
        OutcomeUnknown.
        """
        target = _path(event_id, "/return-seats")
        move = _Move(seats_of(seats), on_conflict_of(on_conflict), amount_of(amount))
        return await self._call(_call("return_seats", target, move, version, key))

    async def move_many(self, moves: Sequence[SeatMove]) -> list[MoveResult]:
        """Carry out 1 to 100 moves in one request, and tell the end of each, in their order.

        **There is no transaction over them**: some may be done and others refused. A result is a
        SeatsMoved, or the error that `reserve` or `return_seats` would have raised: nothing but a
        wrong value is raised here. If one of the moves is invalid for the service, all are refused.
        Moves that may be sent again are, together, under their keys.
        """
        if not 1 <= len(moves) <= MOVES_MAX:
            raise ValueError(f"moves must be 1 to {MOVES_MAX}, not {len(moves)}")
        limits, call_s = self._limits, self._options.timeout_s
        ones = [PendingMove(move, limits, call_s) for move in moves]
        whole = Course(limits, Safety.KEYED, None, call_s)
        pending = ones
        while pending:
            wait_s = await self._send_many(pending, whole)
            pending = [one for one in pending if one.result is None]
            if pending:
                await self._transport.wait(wait_s)
        return [one.result for one in ones if one.result is not None]

    async def _send_many(self, pending: Sequence[PendingMove], whole: Course) -> float:
        """Send these once; those that have ended have a result. How long the others wait."""
        for one in pending:
            one.course.tries += 1
        call = Call("move_many", "POST", _MANY, results_of(pending), body=body_with(pending))
        request = Request(call.method, call.target, self._headers(call), call.body)
        found = await self._try(call, request, whole)
        results = [found] * len(pending) if isinstance(found, Failure) else found
        wait_s = 0.0
        for one, result in zip(pending, results, strict=True):
            if isinstance(result, SeatsMoved):
                one.result = result
                continue
            its_s = one.wait_s(result)
            if one.result is None:
                self._tell_retry(call.name, one.move.key, result, one.course.tries, its_s)
                wait_s = max(wait_s, its_s)
        return wait_s


class EventServiceClient(SeatMoves, Holds, Feed):
    """Calls one Event Service for a booking service; `api_key` is an internal key."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        session: aiohttp.ClientSession | None = None,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            url, session=session, ssl=ssl, limits=limits, on_retry=on_retry, transport=transport
        )
        self._api_key: Mapping[str, str] = {"X-API-Key": api_key}

    def _credentials(self) -> Mapping[str, str]:
        return self._api_key


_MANY = "/internal/moves"


def _path(event_id: Id, action: str = "") -> str:
    return f"/internal/events/{segment('event_id', event_id)}{action}"


@dataclass(frozen=True, slots=True)
class _Move:
    """A move as it is asked for, apart from its version."""

    quantity: int
    on_conflict: OnConflict
    amount: float | None
    holdback: str | None = None

    def body_at(self, version: Version) -> bytes:
        """The move as JSON; written by hand, since nothing but a name needs escaping."""
        said = [b'"quantity":%d' % self.quantity]
        said.append(b'"version":"*"' if version == ANY else b'"version":%d' % version)
        if version != ANY and self.on_conflict == "retry":
            said.append(b'"on_conflict":"retry"')
        if self.amount is not None:
            said.append(b'"amount":%r' % self.amount)
        if self.holdback is not None:
            said.append(b'"holdback":%s' % json.dumps(self.holdback).encode())
        return b"{%s}" % b",".join(said)


def _call(
    name: str, target: str, move: _Move, version: Version, key: str | None
) -> Call[SeatsMoved]:
    return Call(
        name,
        "POST",
        target,
        _moved,
        body=move.body_at(version_of(version)),
        safety=Safety.KEYED,
        key=key_or_new(key),
        body_at=move.body_at if move.on_conflict == "current" else None,
    )


def _moved(answer: Answer, course: Course) -> SeatsMoved:
    return read(
        SeatsMoved,
        answer.body,
        key=course.key,
        replayed=answer.headers.get("Idempotent-Replayed") == "true",
        tries=course.tries,
        conflicts=course.conflicts,
    )
