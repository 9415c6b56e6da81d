"""A bounded queue of envelopes in front of one actor.

Rule: a mailbox that is full, or shut, refuses at once, before any work, and so it does what comes
after its deadline; what was admitted once is never refused for want of room.
"""

import math
from copy import copy

from actors.envelope import Envelope
from evently.domain.errors import Fault, Overloaded

# A hot event is asked by every connection at once; 1000 booking clients must fit twice over.
MAILBOX_MAX = 2048


class Mailbox:
    """What waits for one actor, oldest first."""

    __slots__ = ("_envelopes", "_fault", "_in_front", "_max", "_one_by_one", "_shut_until_s")

    def __init__(self, at_most: int = MAILBOX_MAX) -> None:
        # A list, not a deque: an empty deque takes 0.7 KB, and most mailboxes are empty.
        self._envelopes: list[Envelope] = []
        self._max = at_most
        self._in_front, self._one_by_one = 0, False
        # Why it is shut, if it is.
        self._fault: Fault | None = None
        self._shut_until_s = 0.0

    def __len__(self) -> int:
        return len(self._envelopes)

    def shut(self, fault: Fault, until_s: float = math.inf) -> None:
        """Raise `fault` for all who come until then, by the monotonic clock, or until `open`."""
        self._shut_until_s, self._fault = until_s, copy(fault)

    def open(self) -> None:
        """Admit again what comes."""
        self._fault = None

    def put(self, envelope: Envelope, now_s: float) -> None:
        """Add the newest. Raises why it is shut, or Overloaded if it is late or finds no room."""
        if self._fault is not None and now_s < self._shut_until_s:
            # One that was raised keeps what it was raised for; thousands may come.
            raise copy(self._fault)
        if envelope.request.deadline_s < now_s:
            raise Overloaded("the deadline passed before the command came")
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
