"""Gives an event's envelopes their answers, and remembers those that may be asked for again.

Rule: an answer under a caller's key is remembered if it is the last word; a fault never is, but
that an outcome is unknown.
"""

import asyncio

from actors.clock import DatabaseClock
from actors.envelope import Envelope, OpenKeys, Request, canonical, repeated
from actors.key_memory import KeyMemory, Remembered
from actors.mailbox import Mailbox
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.errors import Fault, Overloaded
from evently.domain.outcomes import Answer, KeyReused


class Replies:
    """The answers of one event; `open` are its open requests with their callers' keys."""

    __slots__ = ("_clock", "_event_id", "_keys", "_unknown", "open")

    def __init__(
        self, event_id: str, clock: DatabaseClock, keys: KeyMemory, unknown: UnknownOutcomes
    ) -> None:
        self._event_id = event_id
        self._clock = clock
        self._unknown = unknown
        self._keys = keys
        self.open = OpenKeys()

    def remembered(self, request: Request, now_s: float) -> Remembered | None:
        """What was answered under the request's key, if it was not too long ago."""
        return self._keys.recall(self._event_id, request.scope, now_s)

    def repeat(
        self, remembered: Remembered, request: Request, future: "asyncio.Future[Answer]"
    ) -> None:
        """Give the answer that was given before."""
        self._unknown.answered(self._event_id, request)
        same = remembered.request == canonical(request.command)
        future.set_result(repeated(remembered.answer) if same else KeyReused(request.key))

    def take_wanted(self, mailbox: Mailbox, at_most: int) -> list[Envelope]:
        """Envelopes whose answer somebody waits for; the others are dropped undone."""
        now_s = self._clock.monotonic()
        taken: list[Envelope] = []
        while mailbox and len(taken) < at_most:
            for envelope in mailbox.take(at_most - len(taken)):
                if not envelope.wanted:
                    self.open.remove(envelope)
                elif envelope.request.deadline_s < now_s and not envelope.attempts:
                    late = Overloaded("the deadline passed while the command waited")
                    self.fail(envelope, late)
                else:
                    taken.append(envelope)
        return taken

    def answer(self, envelope: Envelope, answer: Answer, *, written: bool = True) -> None:
        """Answer all who wait; unless the answer is `written` down, it is not remembered."""
        request = envelope.request
        if request.keyed:
            # Those who were told that it is unknown ask again, and may meet a fault first.
            if envelope.wanted:
                self._unknown.answered(self._event_id, request)
            self.open.remove(envelope)
            if written:
                now_s = self._clock.monotonic()
                self._keys.remember(self._event_id, envelope.scope, envelope.text, answer, now_s)
        envelope.answer(answer)

    def fail(self, envelope: Envelope, fault: Fault) -> None:
        """Tell all who wait that there is no answer."""
        self.open.remove(envelope)
        self.tell(envelope, fault)

    def tell(self, envelope: Envelope, fault: Fault) -> None:
        """The same of one whose request stays open."""
        envelope.fail(self._unknown.told(self._event_id, envelope.request, fault))
