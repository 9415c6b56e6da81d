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

    __slots__ = ("_envelopes", "_in_front", "_max", "_one_by_one")

    def __init__(self, at_most: int = MAILBOX_MAX) -> None:
        # A list, not a deque: an empty deque takes 0.7 KB, and most mailboxes are empty.
        self._envelopes: list[Envelope] = []
        self._max = at_most
        self._in_front, self._one_by_one = 0, False

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

    def set_apart(self, in_front: int, *, one_by_one: bool = False) -> None:
        """Have so many in front decided without those behind them, or even `one_by_one`.

        Those that are taken one by one already go on so.
        """
        if one_by_one or not self._one_by_one:
            self._in_front, self._one_by_one = in_front, one_by_one

    def portion(self, at_most: int) -> int:
        """How many to take for the next batch: `at_most`, unless some are set apart."""
        if not self._in_front:
            return at_most
        taken = 1 if self._one_by_one else self._in_front
        self._in_front -= taken
        self._one_by_one = self._one_by_one and self._in_front > 0
        return taken

    def peek(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest, which stay."""
        return self._envelopes[:at_most]

    def take(self, at_most: int) -> list[Envelope]:
        """Up to `at_most` of the oldest."""
        taken = self._envelopes[:at_most]
        del self._envelopes[:at_most]
        return taken
