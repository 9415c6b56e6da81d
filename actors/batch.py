"""Turns the envelopes that wait for one event into one batch. Pure: it decides everything.

Rules:

1. Commands are decided in order, each on the state the one before it left; the batch names the
   committed state it starts from, and holds only if that is still the committed one.
2. A batch carries one ledger entry for every version between `base` and `after`.
3. A refusal is answered on a state that was proven after its request came: with a batch, whose
   commit proves the state it was decided on, or after a read. Where there is neither it is
   unproven, and decided again after a read.
4. A refusal of a request with its caller's key is committed, whatever else the batch has. It moves
   the event's fence: what any other try under that key was decided on is gone, so nothing is done
   under a key that was refused.
5. A command that raises fails alone; `decide` is pure, so nothing of it is left behind.
6. A change that needs room at its venue is the last of its batch: if the venue has none, it is
   clear which command is refused.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from actors.envelope import Envelope
from evently.domain.commits import Batch, Record, Refused
from evently.domain.event import decide
from evently.domain.outcomes import Accepted, Outcome, StaleVersion
from evently.domain.state import EventState
from evently.domain.value import value


@value
class Plan:
    """What to do with the envelopes that were taken.

    `batch` is None when there is nothing to commit. `replies` wait for the batch, `unproven` are
    decided again after a read, `postponed` in the next batch; `failures` met a bug.
    """

    batch: Batch | None
    replies: list[tuple[Envelope, Outcome]]
    unproven: list[Envelope]
    failures: list[tuple[Envelope, Exception]]
    postponed: Sequence[Envelope] = ()


def plan(state: EventState, envelopes: Sequence[Envelope], now: datetime) -> Plan:
    """Decide `envelopes` in order on `state`."""
    after = state
    records: list[Record] = []
    refused: list[Refused] = []
    replies: list[tuple[Envelope, Outcome]] = []
    unproven: list[Envelope] = []
    postponed: Sequence[Envelope] = ()
    failures: list[tuple[Envelope, Exception]] = []
    for position, envelope in enumerate(envelopes, 1):
        request = envelope.request
        try:
            outcome = decide(after, request.command, now)
        except Exception as error:  # noqa: BLE001 - rule 5: whatever it is, its neighbours go on
            failures.append((envelope, error))
            continue
        if isinstance(outcome, Accepted):
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
        elif not envelope.checked and _is_ahead(outcome):
            unproven.append(envelope)
            continue
        elif request.keyed:
            refused.append(Refused(outcome, request.key, envelope.text, request.origin))
        replies.append((envelope, outcome))
    if refused:
        after = replace(after, fence=state.fence + 1)
    if records or refused:
        batch = Batch(state, after, tuple(records), tuple(refused))
        return Plan(batch, replies, unproven, failures, postponed)
    unproven.extend(envelope for envelope, _ in replies if not envelope.checked)
    replies = [(envelope, outcome) for envelope, outcome in replies if envelope.checked]
    return Plan(None, replies, unproven, failures)


def _is_ahead(outcome: Outcome) -> bool:
    """Whether the caller has seen a later version than we have: another writer was at work."""
    return isinstance(outcome, StaleVersion) and outcome.expected_version > outcome.current_version
