"""What may still arrive behind the last answer of a connection, and when such a one ends.

The last answer is that to bytes that are no request, or one that says so itself while more has come
behind its request already.

Theory of operation: a socket that is closed with bytes unread resets its connection, and the reset
may overtake the answer, so that the client sees an error instead of what was wrong. So the answer
is followed by the end of our side alone; what the client still sends is read and dropped until it
closes its side, or has taken too long. After bytes that are no request aiohttp's request loop does
the waiting: it reads the rest of a request's body after its answer, for a bounded time, and this
stands where the body would.
"""

import asyncio
from asyncio import Transport
from contextlib import suppress


class Rest:
    """Stands for the body of what is no request. Its end comes with that of the connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        # Whether the answer was made: before it, nobody waits for what may follow.
        self._answered = False
        # Whether our side of the connection has ended.
        self.lingers = False

    def answered(self) -> None:
        """The answer is about to be written."""
        self._answered = True

    def is_eof(self) -> bool:
        """Whether nothing is to be waited for."""
        return not self._answered

    async def readany(self) -> bytes:
        """End our side, and wait to be cancelled: by the client's end, or for lack of time."""
        if not self.lingers and self._transport.can_write_eof():
            self._transport.write_eof()
        self.lingers = True
        cancelled: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await cancelled

    async def linger(self, seconds: float) -> None:
        """Do the same, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.readany()

    def set_exception(self, exc: BaseException) -> None:
        """aiohttp says that nobody will read any more."""
