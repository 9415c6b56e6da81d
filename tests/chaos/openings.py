"""When a client asks again for what it does not know: soon, or when sales open.

Rule: it waits for the difference of the two times that a refusal tells, and knows no other clock.
"""

import random
from datetime import datetime

from tests.chaos.history import End, Wish

AGAIN_S = (0.02, 0.1)
# Nobody says when a pause ends.
PAUSED_S = (0.1, 0.6)
# An organiser may open sales earlier.
OPENING_MAX_S = 2.0
# Some are there a moment before the opening.
EARLY_S = 0.02


def pause_s(dice: random.Random, wish: Wish) -> float:
    """How long to wait before the next try."""
    last = wish.attempts[-1]
    if last.end is not End.CLOSED:
        return dice.uniform(*AGAIN_S)
    opens, now = last.told["sales_start"], datetime.fromisoformat(last.told["now"])
    if opens is None or last.told["paused"] or datetime.fromisoformat(opens) <= now:
        return dice.uniform(*PAUSED_S)
    left_s = (datetime.fromisoformat(opens) - now).total_seconds()
    return min(OPENING_MAX_S, max(0.0, left_s - dice.uniform(0.0, EARLY_S)))
