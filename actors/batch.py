"""Turns the envelopes that wait for one event into one batch. Pure: it decides everything.

Rules:

1. Commands are decided in order, each on the state the one before it left; the batch names the
   committed state it starts from, and holds only if that is still the committed one.
2. A batch carries one ledger entry for every version between `base` and `after`.
3. A refusal is answered with the batch, because the batch's commit proves the state it was
   decided on. A batch without entries proves nothing: its refusals are answered only on a state
   that was read a moment ago, and anything less is a doubt, to be decided again on facts.
4. A refusal of a request that carries its caller's key is a doubt until the ledger was asked
   for that key: the first try may have been carried out. So is one that was given before.
5. A command that raises fails alone; `decide` is pure, so nothing of it is left behind.
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

    `batch` is None when nothing changes. `replies` wait for the batch, `doubts` want to be
    decided again after the database was asked, `failures` met a bug.
    """

    batch: Batch | None
    replies: list[tuple[Envelope, Outcome]]
    doubts: list[Envelope]
    failures: list[tuple[Envelope, Exception]]


def plan(state: EventState, envelopes: Sequence[Envelope], now: datetime, *, fresh: bool) -> Plan:
    """Decide `envelopes` in order on `state`; `fresh` tells that it was read a moment ago."""
    after = state
    records: list[Record] = []
    replies: list[tuple[Envelope, Outcome]] = []
    doubts: list[Envelope] = []
    failures: list[tuple[Envelope, Exception]] = []
    for envelope in envelopes:
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
        elif not envelope.checked and (request.keyed or _is_ahead(outcome)):
            doubts.append(envelope)
            continue
        replies.append((envelope, outcome))
    if records:
        return Plan(Batch(state, after, tuple(records)), replies, doubts, failures)
    if not fresh:
        doubts.extend(envelope for envelope, _ in replies if not envelope.checked)
        replies = [(envelope, outcome) for envelope, outcome in replies if envelope.checked]
    return Plan(None, replies, doubts, failures)


def _is_ahead(outcome: Outcome) -> bool:
    """Whether the caller has seen a later version than we have: another writer was at work."""
    return isinstance(outcome, StaleVersion) and outcome.expected_version > outcome.current_version
