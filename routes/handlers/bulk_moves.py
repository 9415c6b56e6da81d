"""Many seat moves in one request, each on its own: there is no transaction over them.

Rule: a move is decided, committed, refused, repeated and counted as if it had come alone. That one
of them fails says nothing about the others.
"""

import asyncio
from http import HTTPStatus

import msgspec

from actors.bulk_moves import IN_PROGRESS_MAX, Result, Results
from actors.envelope import Request
from actors.made_keys import made_key
from evently.domain.outcomes import Done
from routes.call import Call
from routes.contract.bulk_moves import (
    MOVES_MAX,
    MoveResult,
    MoveResults,
    SeatMoveOfEvent,
    SeatMoves,
)
from routes.contract.deadline import deadline_s
from routes.contract.errors import ErrorDetail, invalid
from routes.contract.headers import IDEMPOTENCY_KEY
from routes.contract.raised import error_for
from routes.endpoint import Access, Endpoint, SplitHandler
from routes.handlers.seats import command_of, kind_of, seats_moved
from routes.request_context import request_id_now

_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR.value


def move_many(call: Call) -> "asyncio.Future[Results]":
    """Reserve or return seats, many times."""
    body: SeatMoves = call.body
    if IDEMPOTENCY_KEY in call.sent:
        message = "Idempotency-Key must be left out: each move has its own idempotency_key"
        raise invalid(("header.Idempotency-Key", message))
    origin, by_s = call.origin, deadline_s(call.sent, call.received_s)
    return call.services.bulk_moves.submit(
        [
            (
                one.event_id,
                Request(
                    command_of(one),
                    one.idempotency_key or made_key(),
                    bool(one.idempotency_key),
                    origin,
                    by_s,
                ),
            )
            for one in body.moves
        ]
    )


def moved_many(call: Call, results: Results) -> MoveResults:
    """What became of each of them."""
    moves: list[SeatMoveOfEvent] = call.body.moves
    told = [_told(call, move, result) for move, result in zip(moves, results, strict=True)]
    call.moves = len(told)
    call.failed = sum(one.status >= _SERVER_ERROR for one in told)
    return MoveResults(told)


def _told(call: Call, move: SeatMoveOfEvent, result: Result) -> MoveResult:
    observer, kind = call.services.observer, kind_of(move)
    try:
        if isinstance(result, Exception):
            raise result
        observer.moved(kind, result)
        answer = seats_moved(move.event_id, result)
    except Exception as raised:  # noqa: BLE001 - whatever it is, the others are answered
        request_id_now.set(call.request_id)
        error = error_for(raised, "a move of many", reads=False)
        observer.refused(error.code)
        if error.status >= _SERVER_ERROR:
            observer.move_failed(kind, error.code)
        return MoveResult(
            error.status,
            error=ErrorDetail(**error.detail()),
            retry_after=int(error.headers.get("Retry-After", 0)) or msgspec.UNSET,
        )
    return MoveResult(HTTPStatus.OK, answer, replayed=isinstance(result, Done) and result.replayed)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/internal/moves",
        handler=SplitHandler("move_many_seats", move_many, moved_many),
        tag="Internal",
        summary=f"Up to {MOVES_MAX} seat moves, each on its own: no transaction",
        description=(
            "Each move is carried out, refused, repeated and answered as if it were sent alone,"
            " under its own `idempotency_key`: **there is no transaction over them**. Some may be"
            " done and others refused: look at the `status` of each result. Results are in the"
            " order of the moves. If the body is invalid, none of the moves is carried out. If the"
            " answer is lost, send the same request again: what was done is `replayed`, what was"
            " not is done. `X-Request-Timeout-Ms` counts for each move. A worker has at most"
            f" {IN_PROGRESS_MAX} of these moves in progress, so that single ones do not wait behind"
            " thousands."
        ),
        answer=MoveResults,
        access=Access.INTERNAL,
        body=SeatMoves,
        waits=True,
        hot=True,
    ),
)
