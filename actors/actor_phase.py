"""What an actor is doing, and which step may follow.

    UNREAD ──READ_BEGUN──► READING ──READ──► READY ──BATCH_SENT──► COMMITTING
      ▲ ▲                     │                │                      │   │
      │ └─INCONCLUSIVE, ──────┘                │     COMMITTED ► READY│   │OUTCOME_UNKNOWN
      │   READ_FAILED                          │                      │   ▼
      └────────UNPROVEN, QUESTIONED────────────┴──NOT_COMMITTED───────┴─ UNRESOLVED

Rule: a step that is not in the table cannot happen, and raises. An evicted actor takes no step.
"""

from collections.abc import Mapping
from enum import Enum, auto


class Phase(Enum):
    """What an actor is doing."""

    # Its state must be read before it decides: it is new, or what it knew is in question.
    UNREAD = auto()
    READING = auto()
    # Its state is the committed one as far as it knows.
    READY = auto()
    COMMITTING = auto()
    # The outcome of its batch is unknown, and the resolver looks for it.
    UNRESOLVED = auto()
    EVICTED = auto()


# A batch is in progress.
IN_PROGRESS = frozenset({Phase.COMMITTING, Phase.UNRESOLVED})
# The database is asked nothing.
AT_REST = frozenset({Phase.UNREAD, Phase.READY, Phase.EVICTED})


class Step(Enum):
    """What happens to an actor."""

    READ_BEGUN = auto()
    READ = auto()
    # There is no such event, or a key of the ledger shows a version beyond the state.
    INCONCLUSIVE = auto()
    READ_FAILED = auto()
    # A read by somebody else brought the state.
    REFRESHED = auto()
    # The database may have another history than the one that was read.
    QUESTIONED = auto()
    # An outcome must rest on facts that the actor has not got.
    UNPROVEN = auto()
    BATCH_SENT = auto()
    COMMITTED = auto()
    # Committed, but an outcome is still unproven, or the state has been questioned since.
    COMMITTED_IN_PART = auto()
    NOT_COMMITTED = auto()
    OUTCOME_UNKNOWN = auto()
    EVICT = auto()


_RESOLVED = {
    Step.COMMITTED: Phase.READY,
    Step.COMMITTED_IN_PART: Phase.UNREAD,
    Step.NOT_COMMITTED: Phase.UNREAD,
    Step.EVICT: Phase.EVICTED,
}

TRANSITIONS: Mapping[Phase, Mapping[Step, Phase]] = {
    Phase.UNREAD: {
        Step.READ_BEGUN: Phase.READING,
        Step.REFRESHED: Phase.READY,
        Step.QUESTIONED: Phase.UNREAD,
        Step.EVICT: Phase.EVICTED,
    },
    Phase.READING: {
        Step.QUESTIONED: Phase.READING,
        Step.READ: Phase.READY,
        Step.INCONCLUSIVE: Phase.UNREAD,
        Step.READ_FAILED: Phase.UNREAD,
        Step.EVICT: Phase.EVICTED,
    },
    Phase.READY: {
        Step.REFRESHED: Phase.READY,
        Step.UNPROVEN: Phase.UNREAD,
        Step.QUESTIONED: Phase.UNREAD,
        Step.BATCH_SENT: Phase.COMMITTING,
        Step.EVICT: Phase.EVICTED,
    },
    Phase.COMMITTING: {
        **_RESOLVED,
        Step.QUESTIONED: Phase.COMMITTING,
        Step.OUTCOME_UNKNOWN: Phase.UNRESOLVED,
    },
    Phase.UNRESOLVED: {**_RESOLVED, Step.QUESTIONED: Phase.UNRESOLVED},
    Phase.EVICTED: {},
}


class IllegalStep(AssertionError):
    """A step that cannot happen in this phase: a bug."""


def after(phase: Phase, step: Step) -> Phase:
    """The phase that `step` leads to. Raises IllegalStep."""
    try:
        return TRANSITIONS[phase][step]
    except KeyError:
        raise IllegalStep(f"{step.name} cannot happen to an actor that is {phase.name}") from None
