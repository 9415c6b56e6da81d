"""How often each thing was played that a run is to play: amounts, blocks and times of sales.

Rule: what counts is what was answered, or what the ledger has; a run that never played one of these
has not tested it, and is broken.
"""

from collections import Counter
from collections.abc import Mapping

from tests.chaos.history import AdminChange, Attempt, End, History, HoldStep, Move, Purchase
from tests.chaos.ledger import EventLedger

AMOUNTS = (
    "reserves with an amount",
    "reserves for nothing",
    "returns with an amount",
    "returns for nothing",
    "confirms with an amount",
    "confirms for nothing",
    "amounts told again",
    "AMOUNT_EXCEEDS_REVENUE",
)
BLOCKS = (
    "reserves from blocks",
    "HOLDBACK_NOT_FOUND",
    "INSUFFICIENT_SEATS in a block",
    "lists of blocks changed",
    "blocks freed by the clock",
)
WINDOWS = (
    "moves not on sale",
    "holds not on sale",
    "sold later under the same key",
    "held later under the same key",
    "pauses",
    "openings",
    "openings by the clock",
    "closings by the clock",
)
PLAYED: Mapping[str, tuple[str, ...]] = {"amounts": AMOUNTS, "blocks": BLOCKS, "windows": WINDOWS}


def played(history: History, ledgers: Mapping[str, EventLedger]) -> Counter[str]:
    """The times that each of them was."""
    counts = Counter[str]()
    for move in history.moves:
        _count_move(counts, move)
    for purchase in history.purchases:
        for step in purchase.steps:
            _count_step(counts, purchase, step)
    for change in history.changes:
        _count_change(counts, change)
    for ledger in ledgers.values():
        _count_by_the_clock(counts, ledger)
    return counts


def _count_move(counts: Counter[str], move: Move) -> None:
    for attempt in move.attempts:
        _count_refused(counts, move, attempt)
    if not move.ended(End.OK):
        return
    if move.amount is not None:
        kind = "reserves" if move.quantity < 0 else "returns"
        counts[f"{kind} with an amount" if move.amount else f"{kind} for nothing"] += 1
        counts["amounts told again"] += sum(one.replayed for one in move.ended(End.OK))
    if move.holdback is not None:
        counts["reserves from blocks"] += 1
    if move.ended(End.CLOSED):
        counts["sold later under the same key"] += 1


def _count_refused(counts: Counter[str], move: Move, attempt: Attempt) -> None:
    if attempt.end is End.CLOSED:
        counts["moves not on sale"] += 1
    elif attempt.code in {"AMOUNT_EXCEEDS_REVENUE", "HOLDBACK_NOT_FOUND"}:
        counts[attempt.code] += 1
    elif attempt.code == "INSUFFICIENT_SEATS" and move.holdback is not None:
        counts["INSUFFICIENT_SEATS in a block"] += 1


def _count_step(counts: Counter[str], purchase: Purchase, step: HoldStep) -> None:
    closed = step.ended(End.CLOSED)
    counts["holds not on sale"] += len(closed)
    if not step.ended(End.OK):
        return
    if closed:
        counts["held later under the same key"] += 1
    if step.kind == "confirmed" and purchase.amount is not None:
        amount = "with an amount" if purchase.amount else "for nothing"
        counts[f"confirms {amount}"] += 1


def _count_change(counts: Counter[str], change: AdminChange) -> None:
    wanted = change.wanted if change.end is End.OK else {}
    if "holdbacks" in wanted:
        counts["lists of blocks changed"] += 1
    if wanted.get("paused"):
        counts["pauses"] += 1
    elif wanted.get("sales_end"):
        counts["closings by the clock"] += 1
    elif "paused" in wanted and not wanted.get("sales_start"):
        counts["openings"] += 1


def _count_by_the_clock(counts: Counter[str], ledger: EventLedger) -> None:
    freed = (row for row in ledger.rows if row.kind == "expired" and row.held_back_delta)
    counts["blocks freed by the clock"] += sum(1 for _ in freed)
    sold = (row for row in ledger.rows if row.kind == "reserved")
    opened_s = {ledger.terms_before(row).window.start_s for row in sold} - {None}
    counts["openings by the clock"] += len(opened_s)
