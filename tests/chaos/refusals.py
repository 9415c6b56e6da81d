"""Whether a refusal was true: of a version that was current between the first try and the answer.

Rule: the first try counts, for a refusal that is final is given again to every later one.
"""

from decimal import Decimal

from tests.chaos.history import Attempt, Move
from tests.chaos.ledger import EventLedger, Row
from tests.chaos.terms import Block

# Actors refuse on a state that was read so long ago at most, and clocks are read apart.
SLACK_S = 0.3


def is_true(move: Move, attempt: Attempt, ledger: EventLedger, epoch_s: float) -> bool:
    """Whether the ledger has what this refusal says."""
    told, wanted = attempt.told, abs(move.quantity)
    match attempt.code:
        case "INSUFFICIENT_SEATS":
            available: int = told["available"]
            if available >= wanted:
                return False
            rows = _current(move, attempt, ledger, epoch_s)
            if move.holdback is not None:
                left = Block(told["holdback"], available)
                return any(_left(ledger, row, move.holdback) == left for row in rows)
            # Nobody is refused while a block whose time has passed has the seats.
            due_s = move.attempts[0].sent_s - SLACK_S + epoch_s
            return any(
                row.available_seats == available
                and not any(block.due(due_s) for block in ledger.terms_at(row.version).blocks)
                for row in rows
            )
        case "HOLDBACK_NOT_FOUND":
            return move.holdback is not None and any(
                ledger.terms_at(row.version).named(move.holdback) is None
                for row in _current(move, attempt, ledger, epoch_s)
            )
        case "AMOUNT_EXCEEDS_REVENUE":
            revenue = Decimal(str(told["revenue"]))
            if move.amount is None or not revenue < move.amount == Decimal(str(told["amount"])):
                return False
            return any(
                ledger.revenue_at(row.version) == revenue
                for row in _current(move, attempt, ledger, epoch_s)
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


def _left(ledger: EventLedger, row: Row, name: str) -> Block | None:
    """The block of this name, and the seats in it."""
    block = ledger.terms_at(row.version).named(name)
    return block and Block(block.name, block.quantity)


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
