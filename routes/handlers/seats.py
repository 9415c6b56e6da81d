"""What the booking service calls: read an event, reserve seats, return seats.

Rule: a 2xx is sent after the commit, and whatever happens to the connection, the same
Idempotency-Key tells what became of the move.
"""

import asyncio

from actors.envelope import Request
from actors.made_keys import made_key
from evently.domain.commands import SeatMove, seat_move
from evently.domain.outcomes import Answer, Done, KeyReused
from evently.domain.seat_moves import closed
from evently.domain.state import EventState
from routes.call import Call
from routes.contract.answers import EventForBooking, SeatsMoved
from routes.contract.bodies import SeatMove as SeatMoveBody
from routes.contract.bodies import SeatReturn
from routes.contract.deadline import deadline_s
from routes.contract.errors import Code, event_not_found, key_reused, refused
from routes.contract.headers import idempotency_key
from routes.endpoint import Access, Endpoint, SplitHandler
from routes.handlers.events import look_up


def move(call: Call) -> "asyncio.Future[Answer]":
    """Reserve (negative quantity) or return (positive) seats."""
    key = idempotency_key(call.sent)
    request = Request(
        command_of(call.body),
        key or made_key(),
        key is not None,
        call.origin,
        deadline_s(call.sent, call.received_s),
    )
    return call.services.events.submit(call.params["event_id"], request)


def command_of(body: SeatMoveBody | SeatReturn) -> SeatMove:
    """The move that a body asks for."""
    version = None if body.version == "*" else body.version
    retry = body.on_conflict == "retry"
    return seat_move(
        body.quantity, version, retry=retry, amount=body.amount, holdback=body.holdback
    )


def kind_of(body: SeatMoveBody | SeatReturn) -> str:
    """The move's name in the metrics."""
    return "reserve" if body.quantity < 0 else "return"


def moved(call: Call, answer: Answer) -> SeatsMoved:
    """What became of the seats."""
    call.services.observer.moved(kind_of(call.body), answer)
    if isinstance(answer, Done) and answer.replayed:
        call.headers["Idempotent-Replayed"] = "true"
    return seats_moved(call.params["event_id"], answer)


def seats_moved(event_id: str, answer: Answer) -> SeatsMoved:
    """The event after a move that is done. Raises ApiError for one that was refused."""
    match answer:
        case Done():
            assert answer.unit_price is not None, "a seat move is done at a price"
            return SeatsMoved(
                event_id,
                answer.available_seats,
                answer.status,
                answer.version,
                float(answer.unit_price),
            )
        case KeyReused():
            raise key_reused({"event_id": event_id})
        case _:
            raise refused(event_id, answer)


def event_for_booking(call: Call, state: EventState | None) -> EventForBooking:
    """What a booking needs to know of an event."""
    event_id = call.params["event_id"]
    if state is None or not state.known:
        raise event_not_found(event_id)
    details, now = state.details, call.services.events.clock.now()
    return EventForBooking(
        event_id,
        state.available_seats,
        details.max_tickets_per_booking,
        float(details.base_price),
        state.version,
        state.status_at(now),
        state.held_seats,
        details.sales_start,
        details.sales_end,
        details.paused,
        details.currency,
        closed(state, now) is None,
    )


_MOVE_ERRORS = (
    Code.EVENT_NOT_FOUND,
    Code.EVENT_NOT_MODIFIABLE,
    Code.CONCURRENT_UPDATE,
    Code.SEATS_EXCEED_CAPACITY,
    Code.AMOUNT_EXCEEDS_REVENUE,
    Code.IDEMPOTENCY_KEY_REUSED,
    Code.OVERLOADED,
    Code.DATABASE_UNAVAILABLE,
    Code.OUTCOME_UNKNOWN,
)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/internal/events/{event_id}/update-availability",
        handler=SplitHandler("update_availability", move, moved),
        tag="Internal",
        summary="Reserve or return seats, atomically",
        description=(
            "Takes seats (negative `quantity`), free ones or with `holdback` those of a block, or "
            "gives them back (positive). A 2xx is sent "
            "after the commit. Send an `Idempotency-Key`: after a timeout or a 503, the same "
            "request with the same key is carried out once and answered."
        ),
        answer=SeatsMoved,
        access=Access.INTERNAL,
        body=SeatMoveBody,
        errors=(
            *_MOVE_ERRORS,
            Code.HOLDBACK_NOT_FOUND,
            Code.INSUFFICIENT_SEATS,
            Code.EVENT_NOT_ON_SALE,
        ),
        idempotent=True,
        waits=True,
        hot=True,
    ),
    Endpoint(
        method="POST",
        path="/internal/events/{event_id}/return-seats",
        handler=SplitHandler("return_seats", move, moved),
        tag="Internal",
        summary="Return seats of a cancelled booking",
        description=(
            "Gives seats back, as a positive `quantity`, at any time until the event is archived: "
            "also after its start or its cancellation, but never more than are sold."
        ),
        answer=SeatsMoved,
        access=Access.INTERNAL,
        body=SeatReturn,
        errors=_MOVE_ERRORS,
        idempotent=True,
        waits=True,
        hot=True,
    ),
    Endpoint(
        method="GET",
        path="/internal/events/{event_id}",
        handler=SplitHandler("get_event_for_booking", look_up, event_for_booking),
        tag="Internal",
        summary="An event as a booking needs it",
        description=(
            "Price, limits, version and free seats, never older than a move that the same "
            "node has answered. Pass its `version` to a move to buy at this offer only."
        ),
        answer=EventForBooking,
        access=Access.INTERNAL,
        errors=(Code.EVENT_NOT_FOUND, Code.OVERLOADED, Code.DATABASE_UNAVAILABLE),
        hot=True,
    ),
)
