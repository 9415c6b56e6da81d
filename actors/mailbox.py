"""A bounded queue of envelopes in front of one actor.

Rule: a full mailbox refuses at once, before any work; what was admitted once is never refused
for want of room.
"""

from actors.envelope import Envelope
from evently.domain.errors import Overloaded

# A hot event is asked by every connection at once; 1000 booking clients must fit twice over.
MAILBOX_MAX = 2048


class Mailbox:
    """What waits for one actor, oldest first."""

    __slots__ = ("_envelopes", "_max")

    def __init__(self, at_most: int = MAILBOX_MAX) -> None:
        # A list, not a deque: an empty deque takes 0.7 KB, and most mailboxes are empty.
        self._envelopes: list[Envelope] = []
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
        self._envelopes[:0] = envelopes

    def peek(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest, which stay."""
        return self._envelopes[:at_most]

    def take(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest."""
        taken = self._envelopes[:at_most]
        del self._envelopes[:at_most]
        return taken
