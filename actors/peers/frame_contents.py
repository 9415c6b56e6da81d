"""What frames carry: requests, answers, faults and states, to and from their frames.

Rule: a kind is a place in one of the tables below, so what is added to one goes to its end.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from actors.envelope import Request
from actors.peers.frames import ENCODER, NOTHING, About, AnswerFrame, AskFrame, Edit, FaultFrame
from evently.domain.columns import types_of
from evently.domain.commands import (
    Cancel,
    ChangeHold,
    Command,
    Confirm,
    Expire,
    PlaceHold,
    Release,
    Reserve,
    Return,
    Update,
    seat_move,
)
from evently.domain.errors import (
    AnswerLost,
    CommandFailed,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
    RowLocked,
)
from evently.domain.event import UPDATABLE
from evently.domain.holds import Hold
from evently.domain.origin import Origin
from evently.domain.outcomes import (
    AmountExceedsRevenue,
    Answer,
    CapacityBelowSold,
    Done,
    HoldbackNotFound,
    HoldExpired,
    HoldNotActive,
    HoldNotFound,
    HoldPriceChanged,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    KeyReused,
    MaxTicketsExceeded,
    NotFound,
    NotModifiable,
    NotOnSale,
    NotOwner,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import EventDetails, EventState

DONE = 0
# An answer's kind is its place here.
ANSWERS: tuple[type, ...] = (
    Done,
    KeyReused,
    NotFound,
    NotOwner,
    NotModifiable,
    InsufficientSeats,
    SeatsExceedCapacity,
    StaleVersion,
    InvalidTransition,
    CapacityBelowSold,
    InvalidFields,
    MaxTicketsExceeded,
    HoldNotFound,
    HoldNotActive,
    HoldExpired,
    HoldPriceChanged,
    NotOnSale,
    AmountExceedsRevenue,
    HoldbackNotFound,
)
# What is asked about holds; a command's kind is its place here.
HOLD_COMMANDS: tuple[type[Command], ...] = (PlaceHold, ChangeHold, Confirm, Release, Expire)
# A fault's kind is its place here.
FAULTS: tuple[type[Fault], ...] = (
    Overloaded,
    DatabaseUnavailable,
    AnswerLost,
    OutcomeUnknown,
    CommandFailed,
    RowLocked,
)

# An admin's changes, with the types that MessagePack alone would lose.
_Changes: Any = msgspec.defstruct(
    "_Changes",
    [
        (name, kind | msgspec.UnsetType, msgspec.UNSET)
        for name, kind in {**types_of(EventDetails), **types_of(EventState)}.items()
        if name in UPDATABLE
    ],
    omit_defaults=True,
)


_CHANGES: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_Changes)
_ANSWER: dict[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(answer) for kind, answer in enumerate(ANSWERS)
}
_HOLD_COMMAND: Mapping[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(command) for kind, command in enumerate(HOLD_COMMANDS)
}
_STATE = msgspec.msgpack.Decoder(EventState | None)
_HOLD = msgspec.msgpack.Decoder(Hold)
_KIND = {
    found: kind for kinds in (ANSWERS, FAULTS, HOLD_COMMANDS) for kind, found in enumerate(kinds)
}


def ask_frame(frame_id: int, event_id: str, request: Request) -> AskFrame:
    """`request` as a frame."""
    command, origin = request.command, request.origin
    quantity, version, retry, edit, holds, amount = 0, None, False, None, None, None
    holdback = None
    if isinstance(command, Reserve):
        quantity, version, retry = -command.seats, command.version, command.retry
        amount, holdback = command.amount, command.holdback
    elif isinstance(command, Return):
        quantity, version, retry = command.seats, command.version, command.retry
        amount = command.amount
    elif isinstance(command, Update | Cancel):
        version, retry, edit = command.version, command.retry, _edit(command)
    else:
        holds = About(_KIND[type(command)], msgspec.Raw(ENCODER.encode(command)))
    return AskFrame(
        frame_id,
        event_id,
        quantity,
        version,
        retry,
        request.key,
        request.keyed,
        origin.caller,
        origin.request_id,
        request.deadline_s,
        request.doubtful,
        edit,
        holds,
        amount,
        holdback,
    )


def _edit(command: Update | Cancel) -> Edit:
    if isinstance(command, Cancel):
        return Edit(command.admin_id, command.any_owner, 0)
    changes = msgspec.Raw(ENCODER.encode(_Changes(**command.changes)))
    return Edit(
        command.admin_id, command.any_owner, command.venue_capacity, changes, command.seats_read
    )


def request_in(frame: AskFrame) -> Request:
    """The request that `frame` carries."""
    return Request(
        _command(frame),
        frame.key,
        frame.keyed,
        Origin(frame.caller, frame.request_id),
        frame.deadline_s,
        frame.doubtful,
    )


def _command(frame: AskFrame) -> Command:
    edit, version = frame.edit, frame.version
    if frame.holds is not None:
        command: Command = _HOLD_COMMAND[frame.holds.kind].decode(frame.holds.command)
        return command
    if edit is None:
        return seat_move(
            frame.quantity,
            version,
            retry=frame.retry,
            amount=frame.amount,
            holdback=frame.holdback,
        )
    if version is None:
        raise ValueError("an admin's change names the version it is based on")
    if edit.changes == NOTHING:
        return Cancel(edit.admin_id, edit.any_owner, version, frame.retry)
    changes = msgspec.structs.asdict(_CHANGES.decode(edit.changes))
    given = {name: to for name, to in changes.items() if to is not msgspec.UNSET}
    return Update(
        edit.admin_id,
        edit.any_owner,
        version,
        given,
        edit.venue_capacity,
        edit.seats_read,
        frame.retry,
    )


def answer_frame(frame_id: int, answer: Answer) -> AnswerFrame:
    """`answer` as a frame."""
    if not isinstance(answer, Done):
        more = msgspec.Raw(ENCODER.encode(answer))
        return AnswerFrame(frame_id, _KIND[type(answer)], more=more)
    return AnswerFrame(
        frame_id,
        DONE,
        answer.version,
        answer.available_seats,
        answer.status,
        answer.committed_at,
        answer.retried,
        answer.replayed,
        _raw(answer.state),
        _raw(answer.hold),
        answer.unit_price,
    )


def _raw(part: EventState | Hold | None) -> msgspec.Raw:
    return NOTHING if part is None else msgspec.Raw(ENCODER.encode(part))


def answer_in(frame: AnswerFrame) -> Answer:
    """The answer that `frame` carries."""
    if frame.kind != DONE:
        answer: Answer = _ANSWER[frame.kind].decode(frame.more)
        return answer
    if frame.committed_at is None:
        raise ValueError("what is done was committed at some time")
    return Done(
        frame.version,
        frame.available_seats,
        frame.status,
        frame.committed_at,
        None if frame.more == NOTHING else _STATE.decode(frame.more),
        frame.retried,
        None if frame.hold == NOTHING else _HOLD.decode(frame.hold),
        frame.replayed,
        frame.unit_price,
    )


def fault_frame(frame_id: int, fault: BaseException) -> FaultFrame:
    """`fault` as a frame; anything but a domain fault is a bug, whose text stays here."""
    if type(fault) in _KIND:
        return FaultFrame(frame_id, _KIND[type(fault)], str(fault))
    return FaultFrame(frame_id, _KIND[CommandFailed], "")


def fault_in(frame: FaultFrame) -> Fault:
    """The fault that `frame` carries."""
    return FAULTS[frame.kind](frame.text)


def encode_state(state: EventState | None) -> bytes:
    """The state as it stands in a StateFrame."""
    return ENCODER.encode(state)


def decode_state(raw: bytes) -> EventState | None:
    """The state that a StateFrame carries."""
    state: EventState | None = _STATE.decode(raw)
    return state
