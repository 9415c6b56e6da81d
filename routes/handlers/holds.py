"""What the booking service does with holds: place, read, list, change, confirm, release.

Rule: as on seat moves, a 2xx is sent after the commit, and the same Idempotency-Key tells what
became of a request, whatever happened to its connection.
"""

import asyncio

from actors.envelope import Request
from actors.made_keys import made_key
from db.event_holds import HoldFilter
from evently.domain.commands import ChangeHold, Command, Confirm, PlaceHold, Release
from evently.domain.holds import Hold, HoldStatus, hold_id_of
from evently.domain.outcomes import Answer, Done, KeyReused
from routes.call import Call
from routes.contract import hold_answers
from routes.contract.deadline import deadline_s
from routes.contract.errors import (
    Code,
    event_not_found,
    hold_not_found,
    invalid,
    key_reused,
    refused,
)
from routes.contract.fields import after_text
from routes.contract.headers import idempotency_key
from routes.contract.hold_answers import EventHold, EventHoldList, SeatsHeld
from routes.contract.hold_bodies import Confirmation, HoldChange, HoldListQuery, NewHold
from routes.endpoint import Access, Endpoint, SplitHandler


def place(call: Call) -> "asyncio.Future[Answer]":
    """Keep seats for a buyer."""
    body: NewHold = call.body
    event_id, key = call.params["event_id"], idempotency_key(call.sent)
    under = key or made_key()
    command = PlaceHold(
        hold_id_of(event_id, call.caller, under),
        body.quantity,
        body.duration_s,
        body.reference,
        None if body.version == "*" else body.version,
        body.on_conflict == "retry",
    )
    return _submit(call, command, under, keyed=key is not None)


def placed(call: Call, answer: Answer) -> SeatsHeld:
    """What became of it, and where the hold is."""
    held = _held("hold", call, answer)
    call.headers["Location"] = f"/internal/events/{held.event_id}/holds/{held.hold.hold_id}"
    return held


def confirm(call: Call) -> "asyncio.Future[Answer]":
    """Sell the seats of a hold."""
    body: Confirmation | None = call.body
    hold_id = call.params["hold_id"]
    if body is None:
        return _submit_keyed(call, Confirm(hold_id))
    return _submit_keyed(call, Confirm(hold_id, body.amount, body.late == "retake"))


def confirmed(call: Call, answer: Answer) -> SeatsHeld:
    """What became of it."""
    return _held("confirm", call, answer)


async def change_hold(call: Call) -> SeatsHeld:
    """Change the seats or the time of a hold."""
    body: HoldChange = call.body
    if body.quantity is None and body.duration_s is None:
        raise invalid(("body", "body changes nothing: give quantity, duration_s, or both"))
    command = ChangeHold(call.params["hold_id"], body.quantity, body.duration_s)
    return _held("change", call, await _submit_keyed(call, command))


async def release_hold(call: Call) -> SeatsHeld:
    """Give back the seats of a hold."""
    answer = await _submit_keyed(call, Release(call.params["hold_id"]))
    return _held("release", call, answer)


async def get_hold(call: Call) -> EventHold:
    """What has become of a hold."""
    await _known(call)
    hold_id = call.params["hold_id"]
    hold = await call.services.holds.find(call.event_id, hold_id)
    if hold is None:
        raise hold_not_found(call.event_id, hold_id)
    return EventHold(call.event_id, _shown(hold))


async def list_holds(call: Call) -> EventHoldList:
    """A page of an event's holds, in the order in which they were placed."""
    await _known(call)
    query: HoldListQuery = call.query
    status = None if query.status is None else HoldStatus(query.status)
    wanted = HoldFilter(status, query.reference)
    # One more tells whether there is another page.
    found = await call.services.holds.page(call.event_id, wanted, query.limit + 1, query.after)
    page = found[: query.limit]
    more = len(found) > query.limit
    after = after_text(page[-1].held_at, page[-1].hold_id) if more else None
    return EventHoldList(call.event_id, [_shown(hold) for hold in page], after)


async def _known(call: Call) -> None:
    """Raise ApiError 404 unless the event is known to others than its admin."""
    state = await call.services.events.read(call.event_id)
    if state is None or not state.known:
        raise event_not_found(call.event_id)


def _submit_keyed(call: Call, command: Command) -> "asyncio.Future[Answer]":
    key = idempotency_key(call.sent)
    return _submit(call, command, key or made_key(), keyed=key is not None)


def _submit(call: Call, command: Command, key: str, *, keyed: bool) -> "asyncio.Future[Answer]":
    request = Request(command, key, keyed, call.origin, deadline_s(call.sent, call.received_s))
    return call.services.events.submit(call.params["event_id"], request)


def _held(kind: str, call: Call, answer: Answer) -> SeatsHeld:
    """What became of a hold."""
    call.services.observer.moved(kind, answer)
    event_id = call.params["event_id"]
    match answer:
        case Done():
            if answer.replayed:
                call.headers["Idempotent-Replayed"] = "true"
            assert answer.hold is not None, "a command about a hold answers with it"
            return SeatsHeld(
                event_id,
                answer.available_seats,
                answer.status,
                answer.version,
                _shown(answer.hold),
            )
        case KeyReused():
            raise key_reused({"event_id": event_id})
        case _:
            raise refused(event_id, answer)


def _shown(hold: Hold) -> hold_answers.Hold:
    return hold_answers.Hold(
        hold.hold_id,
        hold.quantity,
        float(hold.unit_price),
        hold.status,
        hold.reference,
        hold.held_at,
        hold.expires_at,
        hold.latest_expires_at,
        hold.closed_at,
        hold.retaken,
        None if hold.amount is None else float(hold.amount),
    )


_READ_ERRORS = (Code.EVENT_NOT_FOUND, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE)
_ERRORS = (
    *_READ_ERRORS,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.OUTCOME_UNKNOWN,
)
_TAKES_SEATS = (
    Code.EVENT_NOT_MODIFIABLE,
    Code.EVENT_NOT_ON_SALE,
    Code.INSUFFICIENT_SEATS,
    Code.MAX_TICKETS_EXCEEDED,
)
_HOLDS = "/internal/events/{event_id}/holds"
_HOLD = f"{_HOLDS}/{{hold_id}}"

ENDPOINTS = (
    Endpoint(
        method="POST",
        path=_HOLDS,
        handler=SplitHandler("place_hold", place, placed),
        tag="Holds",
        summary="Keep seats for a buyer who is paying",
        description=(
            "The seats are nobody else's until the hold is confirmed, released, or its time has"
            " passed. `hold_id` follows from the `Idempotency-Key`: a repeated request names the"
            " same hold."
        ),
        answer=SeatsHeld,
        status=201,
        access=Access.INTERNAL,
        body=NewHold,
        errors=(*_ERRORS, *_TAKES_SEATS, Code.CONCURRENT_UPDATE),
        idempotent=True,
        waits=True,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path=_HOLDS,
        handler=list_holds,
        tag="Holds",
        summary="List the holds of an event, in the order in which they were placed",
        description=(
            "`next` of one page is `after` of the following one. A hold whose time has passed is"
            " `expired`, whether that has been written yet or not."
        ),
        answer=EventHoldList,
        access=Access.INTERNAL,
        query=HoldListQuery,
        errors=_READ_ERRORS,
    ),
    Endpoint(
        method="GET",
        path=_HOLD,
        handler=get_hold,
        tag="Holds",
        summary="What has become of a hold",
        description=(
            "Never older than what was answered. A hold whose time has passed reads `expired`."
        ),
        answer=EventHold,
        access=Access.INTERNAL,
        errors=(*_READ_ERRORS, Code.HOLD_NOT_FOUND),
    ),
    Endpoint(
        method="PUT",
        path=_HOLD,
        handler=change_hold,
        tag="Holds",
        summary="Change the seats of a hold, or give it more time",
        description=(
            "`duration_s` counts from now, up to `latest_expires_at`, so a repeated request"
            " prolongs nothing. More seats cost what the hold's seats cost, as long as that is the"
            " event's price; too many are given back."
        ),
        answer=SeatsHeld,
        access=Access.INTERNAL,
        body=HoldChange,
        errors=(
            *_ERRORS,
            *_TAKES_SEATS,
            Code.HOLD_NOT_FOUND,
            Code.HOLD_NOT_ACTIVE,
            Code.HOLD_PRICE_CHANGED,
        ),
        idempotent=True,
        waits=True,
    ),
    Endpoint(
        method="POST",
        path=f"{_HOLD}/confirm",
        handler=SplitHandler("confirm_hold", confirm, confirmed),
        tag="Holds",
        summary="Sell the seats of a hold",
        description=(
            "A held one is confirmed until it expires, also after the event has begun; one that"
            " has expired if its seats are still free, unless `late` is `refuse`. Confirmed twice"
            " is confirmed once."
        ),
        answer=SeatsHeld,
        access=Access.INTERNAL,
        body=Confirmation,
        body_optional=True,
        errors=(
            *_ERRORS,
            Code.EVENT_NOT_MODIFIABLE,
            Code.HOLD_NOT_FOUND,
            Code.HOLD_NOT_ACTIVE,
            Code.HOLD_EXPIRED,
        ),
        idempotent=True,
        waits=True,
        hot=True,
    ),
    Endpoint(
        method="DELETE",
        path=_HOLD,
        handler=release_hold,
        tag="Holds",
        summary="Give back the seats of a hold",
        description=(
            "Released or expired already, it stays as it is. The seats of a confirmed one come"
            " back by `return-seats`."
        ),
        answer=SeatsHeld,
        access=Access.INTERNAL,
        errors=(
            *_ERRORS,
            Code.EVENT_NOT_MODIFIABLE,
            Code.HOLD_NOT_FOUND,
            Code.HOLD_NOT_ACTIVE,
        ),
        idempotent=True,
        waits=True,
    ),
)
