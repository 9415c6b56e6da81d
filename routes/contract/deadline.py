"""How long a request waits for its turn before it is dropped undone.

Rule: the caller decides, within bounds; no work is done for a caller that has given up.
"""

import re

from multidict import MultiMapping, istr

from routes.contract.errors import invalid

WAIT_HEADER = "X-Request-Timeout-Ms"
# A booking client's patience; an admin's form has the same.
WAIT_MS = 2000
WAIT_MS_MAX = 30_000

_WAIT_HEADER = istr(WAIT_HEADER)
_WAIT_MS = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


def deadline_s(sent: MultiMapping[str], received_s: float) -> float:
    """When the caller of a request with these headers, which came at `received_s`, gives up.

    Both by the monotonic clock. Raises ApiError 400.
    """
    given = sent.get(_WAIT_HEADER)
    if given is None:
        return received_s + WAIT_MS / 1000
    if not _WAIT_MS.fullmatch(given) or int(given) > WAIT_MS_MAX:
        message = f"{WAIT_HEADER} must be a whole number from 1 to {WAIT_MS_MAX}"
        raise invalid((f"header.{WAIT_HEADER}", message))
    return received_s + int(given) / 1000
