"""Remembers the answers given under callers' keys, so that a late duplicate gets the same one.

Rules:

1. This memory is what makes a final refusal stick, and only a short cut for what was committed:
   the ledger's unique key is what keeps a request from acting twice.
2. What is remembered holds nothing that Python's garbage collector follows: of a full memory it
   would follow 300 000 objects, for 100 ms in which nobody is answered.
"""

from collections import OrderedDict

import msgspec

from evently.domain.outcomes import (
    Answer,
    Done,
    InsufficientSeats,
    NotModifiable,
    SeatsExceedCapacity,
)

# A client that retries for longer than this has asked a person.
REMEMBER_S = 600.0
# 65 536 answers of about 500 bytes are 33 MB, and some seconds of sales at full speed.
ANSWERS_MAX = 65_536

FINAL = (Done, InsufficientSeats, NotModifiable, SeatsExceedCapacity)

_ENCODER = msgspec.msgpack.Encoder()


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """An answer, as bytes, and the request it was given to in canonical form."""

    request: str
    expires_at: float
    kind: type[Answer]
    raw: bytes

    @property
    def answer(self) -> Answer:
        """The answer."""
        return msgspec.msgpack.decode(self.raw, type=self.kind)


class KeyMemory:
    """The latest final answers of one worker, by (event_id, key)."""

    def __init__(self, answers_max: int = ANSWERS_MAX, remember_s: float = REMEMBER_S) -> None:
        self._answers: OrderedDict[str, Remembered] = OrderedDict()
        self._max = answers_max
        self._remember_s = remember_s

    def __len__(self) -> int:
        return len(self._answers)

    def remember(self, event_id: str, key: str, request: str, answer: Answer, now_s: float) -> None:
        """Keep `answer` if it is a final one; the oldest goes when there are too many.

        `request` is what was asked, in canonical form.
        """
        if not isinstance(answer, FINAL):
            return
        kept = Remembered(request, now_s + self._remember_s, type(answer), _ENCODER.encode(answer))
        self._answers[event_id + key] = kept
        while len(self._answers) > self._max:
            self._answers.popitem(last=False)

    def forget_done(self) -> None:
        """Forget what was carried out: the ledger may not have it any more. Refusals stand."""
        done = [name for name, kept in self._answers.items() if kept.kind is Done]
        for name in done:
            del self._answers[name]

    def recall(self, event_id: str, key: str, now_s: float) -> Remembered | None:
        """What was answered under this key, if it was not too long ago."""
        found = self._answers.get(event_id + key)
        if found is None or found.expires_at > now_s:
            return found
        del self._answers[event_id + key]
        return None
