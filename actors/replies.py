"""Gives an event's envelopes their answers, and remembers those that may be asked for again.

Rules:

1. An answer under a caller's key is remembered if it is the last word; a fault never is, but that
   an outcome is unknown.
2. Whoever was tried and may have been carried out hears of no fault but that.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from actors.answers import answer_to, from_ledger
from actors.clock import DatabaseClock
from actors.envelope import CallerKey, Envelope, OpenKeys, Request, canonical, repeated
from actors.key_memory import KeyMemory, Remembered
from actors.mailbox import Mailbox
from actors.unknown_outcomes import UnknownOutcomes
from evently.domain.commits import Noted
from evently.domain.errors import Fault, OutcomeUnknown, Overloaded
from evently.domain.outcomes import Answer, KeyReused, NotFound, Outcome, Unchanged


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

    def remembered(self, scope: CallerKey, now_s: float) -> Remembered | None:
        """What was answered under this key, if it was not too long ago."""
        return self._keys.recall(self._event_id, scope, now_s)

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

    def drop_overdue(self, mailbox: Mailbox) -> None:
        """Fail those in the mailbox whose deadline has passed."""
        waiting = self.take_wanted(mailbox, len(mailbox))
        mailbox.put_back(waiting)
        now_s = self._clock.monotonic()
        for envelope in waiting:
            if envelope.request.deadline_s < now_s:
                # It was tried before, and only a read can tell that nothing came of that.
                self.tell(envelope, OutcomeUnknown(envelope.request.key))

    def looked_up(
        self,
        envelopes: Sequence[Envelope],
        noted: Mapping[CallerKey, Noted],
        asked_at_s: float,
        *,
        there: bool,
    ) -> list[Envelope]:
        """Answer those whose key was `noted`, and all if the event is not `there`; the others."""
        rest = []
        for envelope in envelopes:
            envelope.checked, envelope.in_doubt = True, False
            known = noted.get(envelope.scope)
            if known is not None and not known.proven:
                self.fail(envelope, OutcomeUnknown(envelope.request.key))
            elif known is not None:
                self.answer(envelope, from_ledger(envelope.request, known))
            elif not there:
                self.answer(envelope, NotFound())
            elif envelope.attempts and envelope.request.deadline_s < asked_at_s:
                # Nothing under its key is there, so its last try was not committed.
                self.fail(envelope, Overloaded("the deadline passed while it was tried"))
            else:
                rest.append(envelope)
        return rest

    def settle(self, outcomes: Sequence[tuple[Envelope, Outcome]], now: datetime) -> None:
        """Answer what came of a batch that was committed at `now`, or had nothing to commit."""
        now_s = self._clock.monotonic()
        for envelope, outcome in outcomes:
            answer = answer_to(outcome, now)
            if isinstance(outcome, Unchanged):
                self._answered(envelope)
                envelope.answer(answer)
            else:
                self._give(envelope, answer, now_s)

    def answer(self, envelope: Envelope, answer: Answer) -> None:
        """Answer all who wait with what is written down, and remember it."""
        self._give(envelope, answer, self._clock.monotonic())

    def _give(self, envelope: Envelope, answer: Answer, now_s: float) -> None:
        if envelope.request.keyed:
            self._answered(envelope)
            self._keys.remember(self._event_id, envelope.scope, envelope.text, answer, now_s)
        envelope.answer(answer)

    def _answered(self, envelope: Envelope) -> None:
        """Its key is not open any more.

        Those who were told that its outcome is unknown ask again, and may meet a fault first.
        """
        if envelope.wanted:
            self._unknown.answered(self._event_id, envelope.request)
        self.open.remove(envelope)

    def fail(self, envelope: Envelope, fault: Fault) -> None:
        """Tell all who wait that there is no answer."""
        self.open.remove(envelope)
        self.tell(envelope, fault)

    def tell(self, envelope: Envelope, fault: Fault) -> None:
        """The same of one whose request stays open."""
        if envelope.in_doubt:
            fault = OutcomeUnknown(envelope.request.key)
        envelope.fail(self._unknown.told(self._event_id, envelope.request, fault))
