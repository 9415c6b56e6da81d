"""What workers of one node say to each other: frames over a Unix socket.

Rule: a frame is four bytes of length (big-endian) and that many bytes of MessagePack; both ends
run the same code, so the layout may change with any release, but a frame never carries code.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from actors.envelope import Request
from evently.domain.commands import Cancel, Command, Reserve, Return, Update
from evently.domain.errors import (
    AnswerLost,
    CommandFailed,
    DatabaseUnavailable,
    Fault,
    OutcomeUnknown,
    Overloaded,
)
from evently.domain.outcomes import (
    Answer,
    CapacityBelowSold,
    Done,
    InsufficientSeats,
    InvalidFields,
    InvalidTransition,
    KeyReused,
    NotFound,
    NotModifiable,
    NotOwner,
    SeatsExceedCapacity,
    StaleVersion,
)
from evently.domain.state import EventState, Status

# An event with the longest texts is 60 KB as a frame; anything larger is no frame of ours.
FRAME_BYTES_MAX = 1024 * 1024

_LENGTH = struct.Struct(">I")
_ENCODER = msgspec.msgpack.Encoder()

COMMANDS: tuple[type, ...] = (Reserve, Return, Update, Cancel)
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
)
FAULTS: tuple[type[Fault], ...] = (
    Overloaded,
    DatabaseUnavailable,
    AnswerLost,
    OutcomeUnknown,
    CommandFailed,
)


class AskFrame(msgspec.Struct, tag=1, array_like=True):
    """A request to an event that is no seat move; `kind` is the command's place in COMMANDS."""

    id: int
    event_id: str
    kind: int
    command: msgspec.Raw
    key: str
    keyed: bool
    caller: str
    request_id: str
    deadline_s: float
    doubtful: bool


class ReadFrame(msgspec.Struct, tag=2, array_like=True):
    """A question for an event's committed state."""

    id: int
    event_id: str


class AnswerFrame(msgspec.Struct, tag=3, array_like=True):
    """An answer to an AskFrame; `kind` is its place in ANSWERS."""

    id: int
    kind: int
    answer: msgspec.Raw


class FaultFrame(msgspec.Struct, tag=4, array_like=True):
    """A fault; `kind` is its place in FAULTS."""

    id: int
    kind: int
    text: str


class StateFrame(msgspec.Struct, tag=5, array_like=True):
    """An answer to a ReadFrame: an EventState, or nil."""

    id: int
    state: msgspec.Raw


class MoveFrame(msgspec.Struct, tag=6, array_like=True):
    """A seat move, in one piece, for it is what most frames are: `quantity` as clients send it."""

    id: int
    event_id: str
    quantity: int
    version: int | None
    retry: bool
    key: str
    keyed: bool
    caller: str
    request_id: str
    deadline_s: float
    doubtful: bool


class DoneFrame(msgspec.Struct, tag=7, array_like=True):
    """An answer that is Done and has no state with it: a seat move's, or one from the ledger."""

    id: int
    version: int
    available_seats: int
    status: Status
    committed_at: datetime
    retried: bool
    replayed: bool


Asking = AskFrame | MoveFrame
Answering = AnswerFrame | DoneFrame
Frame = Asking | Answering | ReadFrame | FaultFrame | StateFrame


class _Changes(msgspec.Struct, omit_defaults=True):
    """An admin's changes, with the types that MessagePack alone would lose."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    venue_id: str | msgspec.UnsetType = msgspec.UNSET
    event_type: str | msgspec.UnsetType = msgspec.UNSET
    start_datetime: datetime | msgspec.UnsetType = msgspec.UNSET
    end_datetime: datetime | msgspec.UnsetType = msgspec.UNSET
    base_price: Decimal | msgspec.UnsetType = msgspec.UNSET
    max_tickets_per_booking: int | msgspec.UnsetType = msgspec.UNSET
    total_capacity: int | msgspec.UnsetType = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET


class _Update(msgspec.Struct, array_like=True):
    admin_id: str
    any_owner: bool
    version: int
    changes: _Changes
    venue_capacity: int


_FRAME: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_COMMAND: dict[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(_Update if command is Update else command)
    for kind, command in enumerate(COMMANDS)
    if command not in (Reserve, Return)
}
_ANSWER: dict[int, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(answer) for kind, answer in enumerate(ANSWERS)
}
_STATE = msgspec.msgpack.Decoder(EventState | None)
_KIND = {found: kind for kinds in (COMMANDS, ANSWERS, FAULTS) for kind, found in enumerate(kinds)}


def encode(frame: Frame) -> bytes:
    """The frame with its length in front."""
    body = _ENCODER.encode(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with `data`. Raises ValueError for what is no frame."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        try:
            while size - at >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(data, at)
                if length > FRAME_BYTES_MAX:
                    raise ValueError("a frame is too long")
                start = at + _LENGTH.size
                if size - start < length:
                    return
                at = start + length
                yield _FRAME.decode(data[start:at])
        finally:
            self._rest = data[at:]


def ask_frame(frame_id: int, event_id: str, request: Request) -> Asking:
    """`request` as a frame."""
    command = request.command
    if isinstance(command, Reserve | Return):
        return MoveFrame(
            frame_id,
            event_id,
            command.seats if isinstance(command, Return) else -command.seats,
            command.version,
            command.retry,
            request.key,
            request.keyed,
            request.caller,
            request.request_id,
            request.deadline_s,
            request.doubtful,
        )
    return AskFrame(
        frame_id,
        event_id,
        _KIND[type(command)],
        msgspec.Raw(_ENCODER.encode(_plain(command))),
        request.key,
        request.keyed,
        request.caller,
        request.request_id,
        request.deadline_s,
        request.doubtful,
    )


def request_in(frame: Asking) -> Request:
    """The request that `frame` carries."""
    command: Command
    if isinstance(frame, MoveFrame):
        if frame.quantity < 0:
            command = Reserve(-frame.quantity, frame.version, frame.retry)
        else:
            command = Return(frame.quantity, frame.version, frame.retry)
    else:
        command = _command(frame)
    return Request(
        command,
        frame.key,
        frame.keyed,
        frame.caller,
        frame.request_id,
        frame.deadline_s,
        frame.doubtful,
    )


def _command(frame: AskFrame) -> Command:
    command: Command | _Update = _COMMAND[frame.kind].decode(frame.command)
    if isinstance(command, _Update):
        changes = msgspec.structs.asdict(command.changes)
        given = {name: to for name, to in changes.items() if to is not msgspec.UNSET}
        command = Update(
            command.admin_id, command.any_owner, command.version, given, command.venue_capacity
        )
    return command


def answer_frame(frame_id: int, answer: Answer) -> Answering:
    """`answer` as a frame."""
    if isinstance(answer, Done) and answer.state is None:
        return DoneFrame(
            frame_id,
            answer.version,
            answer.available_seats,
            answer.status,
            answer.committed_at,
            answer.retried,
            answer.replayed,
        )
    return AnswerFrame(frame_id, _KIND[type(answer)], msgspec.Raw(_ENCODER.encode(answer)))


def answer_in(frame: Answering) -> Answer:
    """The answer that `frame` carries."""
    if isinstance(frame, DoneFrame):
        return Done(
            frame.version,
            frame.available_seats,
            frame.status,
            frame.committed_at,
            None,
            frame.retried,
            frame.replayed,
        )
    answer: Answer = _ANSWER[frame.kind].decode(frame.answer)
    return answer


def fault_frame(frame_id: int, fault: BaseException) -> FaultFrame:
    """`fault` as a frame; what is no fault of the domain is a bug, and its text stays here."""
    if type(fault) in _KIND:
        return FaultFrame(frame_id, _KIND[type(fault)], str(fault))
    return FaultFrame(frame_id, _KIND[CommandFailed], "")


def fault_in(frame: FaultFrame) -> Fault:
    """The fault that `frame` carries."""
    return FAULTS[frame.kind](frame.text)


def encode_state(state: EventState | None) -> bytes:
    """The state as it stands in a StateFrame."""
    return _ENCODER.encode(state)


def decode_state(raw: bytes) -> EventState | None:
    """The state that a StateFrame carries."""
    state: EventState | None = _STATE.decode(raw)
    return state


def _plain(command: Command) -> object:
    if not isinstance(command, Update):
        return command
    changes = _Changes(**command.changes)
    return _Update(
        command.admin_id, command.any_owner, command.version, changes, command.venue_capacity
    )
