"""Holds the money that clients named against what the ledger has. Pure: it only looks.

Rules:

1. A reserve takes its amount, or its seats at the price of the version it was made on; a return
   gives back its amount, or its seats' share of the revenue; a confirm takes its amount, or its
   seats at the price that they were held at. Nothing else moves money.
2. The revenue is the sum, to the cent, and never below 0.
"""

from decimal import Decimal

from tests.chaos.findings import NEGATIVE, OTHER
from tests.chaos.history import Move, Purchase
from tests.chaos.ledger import EventLedger, Row
from tests.chaos.violated import Violated

PAID_KINDS = frozenset({"reserved", "returned", "confirmed"})
CENT = Decimal("0.01")


class MoneyCheck:
    """The money of one event."""

    def __init__(self, ledger: EventLedger, violated: Violated) -> None:
        self._ledger = ledger
        self._violated = violated

    def run(self) -> None:
        """Check all that the ledger tells by itself."""
        total = Decimal(0)
        for row in self._ledger.rows:
            total += row.money_delta
            if total < 0:
                self._violated(NEGATIVE, f"{row} leaves a revenue of {total}", row.key)
            if row.money_delta and row.kind not in PAID_KINDS:
                self._violated(OTHER, f"no money is moved by {row}", row.key)
        if self._ledger.event.revenue != total:
            self._violated(OTHER, f"{self._ledger.event} is not the sum of its ledger, {total}")

    def moved(self, move: Move, row: Row) -> None:
        """Check a move that is in the ledger."""
        if row.version - 1 not in self._ledger.by_version:
            return
        if move.quantity < 0:
            wanted = -move.quantity * self._ledger.terms_before(row).price
            wanted = wanted if move.amount is None else move.amount
        else:
            wanted = -(self._share(move, row) if move.amount is None else move.amount)
        if row.money_delta != wanted:
            self._violated(OTHER, f"{wanted} is the money of {move}, the ledger has {row}", row.key)

    def confirmed(self, purchase: Purchase, held: Row, row: Row) -> None:
        """Check a hold that is sold."""
        wanted = purchase.quantity * self._ledger.terms_before(held).price
        wanted = wanted if purchase.amount is None else purchase.amount
        if row.money_delta != wanted:
            self._violated(OTHER, f"{wanted} was paid for {purchase}, not as in {row}", row.key)

    def _share(self, move: Move, row: Row) -> Decimal:
        """What so many of the seats that were out had brought in."""
        revenue = self._ledger.revenue_at(row.version - 1)
        sold = self._ledger.sold_at(row.version - 1)
        if move.quantity == sold:
            return revenue
        return min(revenue, (revenue * move.quantity / sold).quantize(CENT))
