"""What the workers of one node send each other: frames over a Unix socket.

Rule: a frame is four bytes of length (big-endian) and that many bytes of MessagePack; it never
carries code. Frames stay within one node and one release, so any release may change the layout:
a worker's socket has the release in its name, also where an upgrade in place lets a supervisor
start workers of the next release beside those of the last.

There is one format for a request and one for its answer. A seat move, which most requests are,
fills only plain fields; an admin's change adds an Edit, and an answer that is more than Done adds
its own part.
"""

import struct
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import msgspec

from evently.domain.state import Status

# An event with the longest texts is 60 KB as a frame; anything larger is not a frame of ours.
FRAME_BYTES_MAX = 1024 * 1024

_LENGTH = struct.Struct(">I")
ENCODER = msgspec.msgpack.Encoder()
# What stands for a part that is not there.
NOTHING = msgspec.Raw(ENCODER.encode(None))


class Edit(msgspec.Struct, array_like=True):
    """What an admin asks for: the changes of an Update, or none, which is a Cancel."""

    admin_id: str
    any_owner: bool
    venue_capacity: int
    changes: msgspec.Raw = NOTHING
    seats_read: int | None = None


class About(msgspec.Struct, array_like=True):
    """A command about holds; `kind` is its place in HOLD_COMMANDS."""

    kind: int
    command: msgspec.Raw


class AskFrame(msgspec.Struct, tag=1, array_like=True):
    """A request to an event: a seat move (`quantity` as clients send it), an `edit`, or `holds`."""

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
    edit: Edit | None = None
    holds: About | None = None
    amount: Decimal | None = None
    holdback: str | None = None


class ReadFrame(msgspec.Struct, tag=2, array_like=True):
    """A question for an event's committed state."""

    id: int
    event_id: str


class AnswerFrame(msgspec.Struct, tag=3, array_like=True):
    """An answer to an AskFrame; `kind` is its place in ANSWERS.

    The fields are those of Done. `more` is Done's state, if it has one, or the whole of any other
    answer, whose fields here mean nothing. `hold` is Done's hold, if it has one.
    """

    id: int
    kind: int
    version: int = 0
    available_seats: int = 0
    status: Status = Status.DRAFT
    committed_at: datetime | None = None
    retried: bool = False
    replayed: bool = False
    more: msgspec.Raw = NOTHING
    hold: msgspec.Raw = NOTHING
    unit_price: Decimal | None = None


class FaultFrame(msgspec.Struct, tag=4, array_like=True):
    """A fault; `kind` is its place in FAULTS."""

    id: int
    kind: int
    text: str


class StateFrame(msgspec.Struct, tag=5, array_like=True):
    """An answer to a ReadFrame: an EventState, or nil."""

    id: int
    state: msgspec.Raw


Frame = AskFrame | ReadFrame | AnswerFrame | FaultFrame | StateFrame

_FRAME: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """The frame with its length in front."""
    body = ENCODER.encode(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with `data`. Raises ValueError for anything else."""
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
