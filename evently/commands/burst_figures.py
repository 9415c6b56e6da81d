"""How a burst writes its figures."""

from collections import Counter
from collections.abc import Sequence


def by_code(counts: Counter[str]) -> str:
    """How many there are in all, and of each code."""
    codes = ", ".join(f"{code} {count}" for code, count in counts.most_common())
    return f"{counts.total()}: {codes}" if codes else "0"


def count_events(count: int) -> str:
    """So many events."""
    return "1 event" if count == 1 else f"{count} events"


def quantiles(latencies_s: Sequence[float]) -> str:
    """How long they took, in milliseconds."""
    in_order = sorted(latencies_s) or [0.0]
    last = len(in_order) - 1
    marks = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    return "  ".join(
        f"{name} {in_order[round(share * last)] * 1000:.1f} ms" for name, share in marks
    )
