"""Remembers the answers given under callers' keys, so that a late duplicate gets the same one.

Rules:

1. This memory is a short cut only: what is in it was committed, and the database's keys are what
   keeps a request from acting twice, or after its refusal.
2. What is remembered holds nothing that Python's garbage collector follows: of a full memory it
   would follow 300 000 objects, for 100 ms in which nobody is answered.
"""

from collections import OrderedDict
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

import msgspec

from actors.envelope import CallerKey
from evently.domain.holds import Hold
from evently.domain.outcomes import FINAL, Answer, Done
from evently.domain.state import Status

# A client that retries for longer than this has asked a person. Refusals are kept in the database
# for longer still.
REMEMBER_S = 600.0
# 65 536 answers of about 500 bytes are 33 MB, and some seconds of sales at full speed: most
# repetitions come within these, and cost the database nothing.
ANSWERS_MAX = 65_536

REMEMBERED = (Done, *FINAL)

_ENCODER = msgspec.msgpack.Encoder()

# A hold, as a value that the collector does not follow.
_HOLD_FIELDS = [field.name for field in fields(Hold)]
_hold_values = attrgetter(*_HOLD_FIELDS)
_KeptHold = msgspec.defstruct("_KeptHold", _HOLD_FIELDS, frozen=True, gc=False)


class Move(msgspec.Struct, frozen=True, gc=False):
    """The answer to a move of seats, field by field: to encode one takes as long as all the rest.

    `kept_hold` is the hold that they were moved into or out of, if there is one.
    """

    request: str
    expires_at: float
    version: int
    available_seats: int
    status: Status
    committed_at: datetime
    unit_price: Decimal | None
    kept_hold: Any

    @property
    def answer(self) -> Answer:
        """The answer."""
        return Done(
            self.version,
            self.available_seats,
            self.status,
            self.committed_at,
            hold=None if self.kept_hold is None else Hold(*_hold_values(self.kept_hold)),
            unit_price=self.unit_price,
        )


class Encoded(msgspec.Struct, frozen=True, gc=False):
    """Another answer, as bytes."""

    request: str
    expires_at: float
    kind: type[Answer]
    raw: bytes

    @property
    def answer(self) -> Answer:
        """The answer."""
        return msgspec.msgpack.decode(self.raw, type=self.kind)


# Each with the request that was answered, in canonical form.
Remembered: TypeAlias = Move | Encoded


class KeyMemory:
    """The latest final answers of one worker, by (event_id, key)."""

    def __init__(self, answers_max: int = ANSWERS_MAX, remember_s: float = REMEMBER_S) -> None:
        self._answers: OrderedDict[str, Remembered] = OrderedDict()
        self._max = answers_max
        self._remember_s = remember_s

    def __len__(self) -> int:
        return len(self._answers)

    def remember(
        self, event_id: str, key: CallerKey, request: str, answer: Answer, now_s: float
    ) -> None:
        """Keep `answer` if it is a final one; the oldest goes when there are too many.

        `request` is what was asked, in canonical form.
        """
        if not isinstance(answer, REMEMBERED):
            return
        self._answers[_name(event_id, key)] = _kept(request, answer, now_s + self._remember_s)
        while len(self._answers) > self._max:
            self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget everything: the database may not have it any more."""
        self._answers.clear()

    def recall(self, event_id: str, key: CallerKey, now_s: float) -> Remembered | None:
        """What was answered under this key, if it was not too long ago."""
        found = self._answers.get(_name(event_id, key))
        if found is None or found.expires_at > now_s:
            return found
        del self._answers[_name(event_id, key)]
        return None


def _kept(request: str, answer: Answer, until_s: float) -> Remembered:
    if isinstance(answer, Done) and answer.state is None:
        return Move(
            request,
            until_s,
            answer.version,
            answer.available_seats,
            answer.status,
            answer.committed_at,
            answer.unit_price,
            None if answer.hold is None else _KeptHold(*_hold_values(answer.hold)),
        )
    return Encoded(request, until_s, type(answer), _ENCODER.encode(answer))


def _name(event_id: str, key: CallerKey) -> str:
    """A key's place: the id has a fixed length, and a caller's name no space."""
    return f"{event_id}{key[0]} {key[1]}"
