"""Makes the service's own request to expire holds, and to free blocks.

Rule: no caller waits for its answer; if it is not carried out, it is made again.
"""

import asyncio
from collections.abc import Callable

from actors.envelope import Envelope, Request
from actors.made_keys import made_key
from evently.domain.commands import Expire
from evently.domain.origin import Origin
from evently.domain.outcomes import Answer

# A statement that takes longer has other troubles; whoever waits for the seats is told in time.
WAIT_S = 5.0

ORIGIN = Origin("evently:expiry", "expiry")


def expiry_request(now_s: float) -> Request:
    """The service's own request to expire what is due."""
    return Request(Expire(), made_key(), False, ORIGIN, now_s + WAIT_S)


def expiry(now_s: float, missed: Callable[[], None]) -> Envelope:
    """The same, in an envelope; `missed` is called if it was not carried out."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def ended(done: "asyncio.Future[Answer]") -> None:
        if done.cancelled() or done.exception() is not None:
            missed()

    future.add_done_callback(ended)
    envelope = Envelope(expiry_request(now_s), future)
    # It rests on rows that are read for it, and tells nobody anything.
    envelope.checked = True
    return envelope
