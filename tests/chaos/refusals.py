"""Whether a refusal was true: of a version that was current between the first try and the answer.

Rule: the first try counts, for a refusal that is final is given again to every later one.
"""

from tests.chaos.history import Attempt, Move
from tests.chaos.ledger import EventLedger, Row

# Actors refuse on a state that was read so long ago at most, and clocks are read apart.
SLACK_S = 0.3


def is_true(move: Move, attempt: Attempt, ledger: EventLedger, epoch_s: float) -> bool:
    """Whether the ledger has what this refusal says."""
    told, wanted = attempt.told, abs(move.quantity)
    match attempt.code:
        case "INSUFFICIENT_SEATS":
            available: int = told["available"]
            return available < wanted and any(
                row.available_seats == available for row in _current(move, attempt, ledger, epoch_s)
            )
        case "SEATS_EXCEED_CAPACITY":
            returnable: int = told["returnable"]
            return returnable < wanted and any(
                ledger.sold_at(row.version) == returnable
                for row in _current(move, attempt, ledger, epoch_s)
            )
        case "CONCURRENT_UPDATE":
            return _conflicts(move, attempt, ledger)
        case _:
            return False


def _conflicts(move: Move, attempt: Attempt, ledger: EventLedger) -> bool:
    row = ledger.by_version.get(attempt.told["current_version"])
    if row is None or row.available_seats != attempt.told["available_seats"]:
        return False
    if move.version == "*" or row.version <= move.version:
        return False
    terms = {name for r in ledger.between(move.version, row.version) for name in r.terms}
    if attempt.told.get("changed_fields", []) != sorted(terms):
        return False
    return bool(terms) or not move.retry


def _current(move: Move, attempt: Attempt, ledger: EventLedger, epoch_s: float) -> list[Row]:
    """The versions that were current at some time while the move was tried."""
    from_s = move.attempts[0].sent_s - SLACK_S + epoch_s
    return ledger.current(from_s, attempt.heard_s + SLACK_S + epoch_s)
