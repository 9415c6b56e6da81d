"""A bounded queue of envelopes in front of one actor.

Rule: a full mailbox refuses at once, before any work; what was admitted once is never refused
for want of room.
"""

from collections import deque
from itertools import islice

from actors.envelope import Envelope
from evently.domain.errors import Overloaded

# A hot event is asked by every connection at once; 1000 booking clients must fit twice over.
MAILBOX_MAX = 2048


class Mailbox:
    """What waits for one actor, oldest first."""

    __slots__ = ("_envelopes", "_max")

    def __init__(self, at_most: int = MAILBOX_MAX) -> None:
        self._envelopes: deque[Envelope] = deque()
        self._max = at_most

    def __len__(self) -> int:
        return len(self._envelopes)

    def put(self, envelope: Envelope) -> None:
        """Add the newest. Raises Overloaded when the mailbox is full."""
        if len(self._envelopes) >= self._max:
            raise Overloaded("the event's mailbox is full")
        self._envelopes.append(envelope)

    def put_back(self, envelopes: list[Envelope]) -> None:
        """Put envelopes that were taken in front again, in their order."""
        self._envelopes.extendleft(reversed(envelopes))

    def peek(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest, left where they are."""
        return list(islice(self._envelopes, at_most))

    def take(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest."""
        if len(self._envelopes) <= at_most:
            taken = list(self._envelopes)
            self._envelopes.clear()
            return taken
        return [self._envelopes.popleft() for _ in range(at_most)]
