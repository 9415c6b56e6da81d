"""What a booking service does with holds: keep seats for a buyer, then sell them or let them go.

Rules
1. Every change of a hold has an Idempotency-Key, as a seat move has.
2. Seats are given back for a caller only if it is certain that no call of theirs sold them: after
   an error that leaves that open, the hold is left to its key and, in the end, to its time.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Literal, TypeAlias
from uuid import UUID

from .answers import Hold, HoldPage, SeatsHeld
from .calls import Call, Calls, body_as
from .course import Course, Safety
from .decode import read
from .errors import EventServiceError, Failure, HoldNotActive, leaves_open
from .sent import (
    ANY,
    HOLD_S,
    UNCHANGED,
    Id,
    OnConflict,
    Version,
    body_of,
    duration_of,
    key_or_new,
    on_conflict_of,
    price_of,
    query,
    seats_of,
    segment,
    text_or_none,
    version_of,
)
from .transport import Answer

Late: TypeAlias = Literal["retake", "refuse"]
HoldStatus: TypeAlias = Literal["held", "confirmed", "released", "expired"]

# A caller whose work has failed waits so long for seats to be given back, and no longer: they come
# back by themselves.
RELEASE_S = 5.0


class Holds(Calls):
    """The calls for holds. A hold belongs to one event."""

    async def hold(
        self,
        event_id: Id,
        seats: int,
        *,
        duration_s: int = HOLD_S,
        reference: str | None = None,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        key: str | None = None,
    ) -> SeatsHeld:
        """Keep `seats` (1 or more) of an event for a buyer, for 30 to 7200 seconds.

        `reference` is the booking's id, to find its holds by. `version`, `on_conflict` and `key`
        are those of `reserve`. The seats stay held until `confirm`, `release`, or the hold's time.

        Raises InsufficientSeats, MaxTicketsExceeded, EventNotModifiable, EventNotFound,
        ConcurrentUpdate, another Refused, Unavailable or OutcomeUnknown.
        """
        fields = {
            "quantity": seats_of(seats),
            "duration_s": duration_of(duration_s),
            "reference": text_or_none("reference", reference),
        }

        def body_at(current: Version) -> bytes:
            retry = current != ANY and on_conflict == "retry"
            more = {"version": current, "on_conflict": "retry" if retry else "fail"}
            return body_of({**fields, **more})

        resolves = on_conflict_of(on_conflict) == "current"
        call = Call(
            "hold",
            "POST",
            _path(event_id),
            _held,
            body=body_at(version_of(version)),
            safety=Safety.KEYED,
            key=key_or_new(key),
            body_at=body_at if resolves else None,
        )
        return await self._call(call)

    @asynccontextmanager
    async def holding(
        self,
        event_id: Id,
        seats: int,
        *,
        duration_s: int = HOLD_S,
        reference: str | None = None,
        version: Version = ANY,
        on_conflict: OnConflict = "retry",
        key: str | None = None,
    ) -> AsyncIterator[SeatsHeld]:
        """`hold` for an `async with`, which releases the hold if its body raises.

        The body confirms; a hold that it leaves without an exception stays as it is. After an error
        that leaves open whether a call was carried out, such as a `confirm` without an answer,
        nothing is released. If the release itself fails, the hold ends by its time.
        """
        held = await self.hold(
            event_id,
            seats,
            duration_s=duration_s,
            reference=reference,
            version=version,
            on_conflict=on_conflict,
            key=key,
        )
        try:
            yield held
        except BaseException as error:
            await self._give_up([held], error)
            raise

    async def hold_all(
        self,
        seats: Mapping[str, int] | Mapping[UUID, int],
        *,
        duration_s: int = HOLD_S,
        reference: str | None = None,
        key: str | None = None,
    ) -> dict[str, SeatsHeld]:
        """Keep seats of several events, by event id: of all of them, or after an error of none.

        They are held one by one in the order of their ids, so that of two buyers who want the same
        last seats one gets all. If one is refused or unavailable, the others are released before
        that is raised. After OutcomeUnknown or a cancellation nothing is released: the same call
        with the error's key tells what became of each. All have the same key, since a key is one
        event's.

        Raises what `hold` raises, and HoldNotActive if an earlier call with this key held seats
        that have come back since. One that was confirmed since is answered as confirmed.
        """
        wanted = {_named(event_id): seats_of(number) for event_id, number in seats.items()}
        if len(wanted) < len(seats):
            raise ValueError("seats must name every event once")
        key = key_or_new(key)
        held: dict[str, SeatsHeld] = {}
        try:
            for event_id in sorted(wanted):
                held[event_id] = await self.hold(
                    event_id, wanted[event_id], duration_s=duration_s, reference=reference, key=key
                )
                if held[event_id].replayed:
                    held[event_id] = await self._as_of_now(held[event_id])
        except BaseException as error:
            # Where one is sold already, the others belong to a booking that is being completed.
            if all(one.hold.status != "confirmed" for one in held.values()):
                await self._give_up(list(held.values()), error)
            raise
        return held

    async def change_hold(
        self,
        event_id: Id,
        hold_id: Id,
        *,
        seats: int | None = None,
        duration_s: int | None = None,
        key: str | None = None,
    ) -> SeatsHeld:
        """Let a hold have `seats`, end in `duration_s` from now, or both.

        It ends at its `latest_expires_at` in any case. More seats cost what the hold's seats cost.
        Raises HoldNotFound, HoldNotActive, HoldPriceChanged, InsufficientSeats, MaxTicketsExceeded,
        EventNotModifiable, another Refused, Unavailable or OutcomeUnknown.
        """
        if seats is None and duration_s is None:
            raise ValueError("change_hold needs seats, duration_s or both")
        fields = {
            "quantity": UNCHANGED if seats is None else seats_of(seats),
            "duration_s": UNCHANGED if duration_s is None else duration_of(duration_s),
        }
        call = _step("change_hold", "PUT", _path(event_id, hold_id), key, fields)
        return await self._call(call)

    async def confirm(
        self,
        event_id: Id,
        hold_id: Id,
        *,
        amount: Decimal | int | None = None,
        late: Late = "retake",
        key: str | None = None,
    ) -> SeatsHeld:
        """Sell the seats of a hold; `amount` is what was paid for them in total.

        A hold that has expired is sold too if its seats are still free, unless `late` is "refuse".
        A hold that was confirmed stays so. Raises HoldExpired (refund the buyer), HoldNotActive,
        HoldNotFound, EventNotModifiable, another Refused, Unavailable or OutcomeUnknown.
        """
        if late not in {"retake", "refuse"}:
            raise ValueError(f'late must be "retake" or "refuse", not {late!r}')
        fields = {"amount": UNCHANGED if amount is None else price_of(amount), "late": late}
        call = _step("confirm", "POST", _path(event_id, hold_id, "/confirm"), key, fields)
        return await self._call(call)

    async def release(self, event_id: Id, hold_id: Id, *, key: str | None = None) -> SeatsHeld:
        """Give back the seats of a hold; one that was released or has expired stays as it is.

        Raises HoldNotActive if it was confirmed (`return_seats` is for that), HoldNotFound, another
        Refused, Unavailable or OutcomeUnknown.
        """
        return await self._call(_step("release", "DELETE", _path(event_id, hold_id), key))

    async def find_hold(self, event_id: Id, hold_id: Id) -> Hold:
        """What has become of a hold. Raises HoldNotFound, EventNotFound or Unavailable."""
        call = Call("find_hold", "GET", _path(event_id, hold_id), _found)
        return await self._call(call)

    async def list_holds(
        self,
        event_id: Id,
        *,
        status: HoldStatus | None = None,
        reference: str | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> HoldPage:
        """A page of an event's holds, oldest first; `limit` is 100 at most.

        `after` is the `next` of the page before. Raises EventNotFound or Unavailable.
        """
        filters = query(status=status, reference=reference, limit=limit, after=after)
        call = Call("list_holds", "GET", _path(event_id) + filters, body_as(HoldPage))
        return await self._call(call)

    async def _as_of_now(self, held: SeatsHeld) -> SeatsHeld:
        """What a replayed answer would say now. Raises HoldNotActive if the seats came back."""
        hold = await self.find_hold(held.event_id, held.hold.hold_id)
        if hold.status in {"held", "confirmed"}:
            return replace(held, hold=hold)
        details = {"event_id": held.event_id, "hold_id": hold.hold_id, "status": hold.status}
        message = f"The hold that this key placed is {hold.status}; choose a new key"
        failure = Failure("HOLD_NOT_ACTIVE", message, details, HTTPStatus.CONFLICT.value)
        raise HoldNotActive(failure, held.key, held.tries, held.conflicts)

    async def _give_up(self, held: list[SeatsHeld], error: BaseException) -> None:
        """Release these, unless `error` leaves open what was done."""
        if leaves_open(error):
            return
        brief = self._briefly(RELEASE_S)
        for one in held:
            # One that was confirmed stays; one that cannot be reached ends by its time.
            with suppress(EventServiceError):
                await brief.release(one.event_id, one.hold.hold_id)


def _path(event_id: Id, hold_id: Id | None = None, action: str = "") -> str:
    holds = f"/internal/events/{segment('event_id', event_id)}/holds"
    return holds if hold_id is None else f"{holds}/{segment('hold_id', hold_id)}{action}"


def _named(event_id: Id) -> str:
    """An id in the one form that the order of ids is by."""
    segment("event_id", event_id)
    return str(event_id).lower()


def _step(
    name: str,
    method: str,
    target: str,
    key: str | None,
    fields: Mapping[str, Any] | None = None,
) -> Call[SeatsHeld]:
    body = None if fields is None else body_of(fields)
    return Call(name, method, target, _held, body=body, safety=Safety.KEYED, key=key_or_new(key))


def _held(answer: Answer, course: Course) -> SeatsHeld:
    return read(
        SeatsHeld,
        answer.body,
        key=course.key,
        replayed=answer.headers.get("Idempotent-Replayed") == "true",
        tries=course.tries,
        conflicts=course.conflicts,
    )


def _found(answer: Answer, _: Course) -> Hold:
    return read(Hold, answer.body["hold"])
