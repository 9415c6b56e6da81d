"""Remembers the answers given under callers' keys, so that a late duplicate gets the same one.

Rule: this memory is what makes a final refusal stick, and only a short cut for what was
committed: the ledger's unique key is what keeps a request from acting twice.
"""

from collections import OrderedDict

from evently.domain.commands import Command
from evently.domain.outcomes import (
    Answer,
    Done,
    InsufficientSeats,
    NotModifiable,
    SeatsExceedCapacity,
)
from evently.domain.value import value

# A client that retries for longer than this has asked a person.
REMEMBER_S = 600.0
# 65 536 answers of about 400 bytes are 26 MB, and more than a minute of sales at full speed.
ANSWERS_MAX = 65_536

FINAL = (Done, InsufficientSeats, NotModifiable, SeatsExceedCapacity)


@value
class Remembered:
    """An answer and the command it was given to."""

    command: Command
    answer: Answer
    expires_at: float


class KeyMemory:
    """The latest final answers of one worker, by (event_id, key)."""

    def __init__(self, answers_max: int = ANSWERS_MAX, remember_s: float = REMEMBER_S) -> None:
        self._answers: OrderedDict[tuple[str, str], Remembered] = OrderedDict()
        self._max = answers_max
        self._remember_s = remember_s

    def __len__(self) -> int:
        return len(self._answers)

    def remember(
        self, event_id: str, key: str, command: Command, answer: Answer, now_s: float
    ) -> None:
        """Keep `answer` if it is a final one; the oldest goes when there are too many."""
        if not isinstance(answer, FINAL):
            return
        self._answers[event_id, key] = Remembered(command, answer, now_s + self._remember_s)
        while len(self._answers) > self._max:
            self._answers.popitem(last=False)

    def recall(self, event_id: str, key: str, now_s: float) -> Remembered | None:
        """What was answered under this key, if it was not too long ago."""
        found = self._answers.get((event_id, key))
        if found is None or found.expires_at > now_s:
            return found
        del self._answers[event_id, key]
        return None
