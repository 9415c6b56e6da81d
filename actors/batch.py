"""Turns the envelopes that wait for one event into one batch. Pure: it decides everything.

Rules:

1. Commands are decided in order, each on the state the one before it left; the batch names the
   committed state it starts from, and holds only if that is still the committed one.
2. A batch carries one ledger entry for every version between `base` and `after`.
3. A refusal is answered with the batch, because the batch's commit proves the state it was
   decided on. A batch without entries proves nothing: its refusals are answered only on a state
   that was read a moment ago; otherwise they are unproven, and decided again after a read.
4. A refusal of a request that carries its caller's key is unproven until the ledger has been
   checked for that key: the first try may have been carried out. So is one that was given before.
5. A command that raises fails alone; `decide` is pure, so nothing of it is left behind.
6. A change that needs room at its venue is the last of its batch: if the venue has none, it is
   clear which command is refused.
"""

from collections.abc import Sequence
from datetime import datetime

from actors.envelope import Envelope
from evently.domain.commits import Batch, Record
from evently.domain.event import decide
from evently.domain.outcomes import Accepted, Outcome, StaleVersion
from evently.domain.state import EventState
from evently.domain.value import value


@value
class Plan:
    """What to do with the envelopes that were taken.

    `batch` is None when nothing changes. `replies` wait for the batch, `unproven` are decided again
    after a read, `postponed` in the next batch; `failures` met a bug.
    """

    batch: Batch | None
    replies: list[tuple[Envelope, Outcome]]
    unproven: list[Envelope]
    failures: list[tuple[Envelope, Exception]]
    postponed: Sequence[Envelope] = ()


def plan(state: EventState, envelopes: Sequence[Envelope], now: datetime, *, fresh: bool) -> Plan:
    """Decide `envelopes` in order on `state`; `fresh` tells that it was read a moment ago."""
    after = state
    records: list[Record] = []
    replies: list[tuple[Envelope, Outcome]] = []
    unproven: list[Envelope] = []
    postponed: Sequence[Envelope] = ()
    failures: list[tuple[Envelope, Exception]] = []
    for position, envelope in enumerate(envelopes, 1):
        request = envelope.request
        try:
            outcome = envelope.refusal or decide(after, request.command, now)
        except Exception as error:  # noqa: BLE001 - rule 5: whatever it is, its neighbours go on
            failures.append((envelope, error))
            continue
        if type(outcome) is Accepted:
            after = outcome.state
            records.append(
                Record(
                    outcome.entry,
                    request.key,
                    envelope.text,
                    request.origin,
                )
            )
            if outcome.entry.needs_room:
                replies.append((envelope, outcome))
                postponed = envelopes[position:]
                break
        elif not envelope.checked and (request.keyed or _is_ahead(outcome)):
            unproven.append(envelope)
            continue
        replies.append((envelope, outcome))
    if records:
        return Plan(Batch(state, after, tuple(records)), replies, unproven, failures, postponed)
    if not fresh:
        unproven.extend(envelope for envelope, _ in replies if not envelope.checked)
        replies = [(envelope, outcome) for envelope, outcome in replies if envelope.checked]
    return Plan(None, replies, unproven, failures)


def _is_ahead(outcome: Outcome) -> bool:
    """Whether the caller has seen a later version than we have: another writer was at work."""
    return isinstance(outcome, StaleVersion) and outcome.expected_version > outcome.current_version
