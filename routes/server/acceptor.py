"""Accepts the connections of a listening socket: in one turn of the loop, all that wait.

uvloop's own server accepts one in a turn, because libuv does. A turn of a busy worker takes some
milliseconds, so of a thousand clients that connected when a sale opened, the last waited for two
seconds until its first request was read.

Rules:

1. No more than ACCEPTED_MAX are accepted in a turn, so that those who are connected go on.
2. Where the process may not open another file, the others wait in the kernel's queue.
3. Whoever had connected when it stops was accepted, unless the kernel reported an error just then.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

# Each takes 0.05 ms.
ACCEPTED_MAX = 64
# How long to wait for files to be closed.
PAUSE_S = 0.5

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Acceptor:
    """Has a protocol that `make` makes serve each client of `listener`, which does not block."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], asyncio.BaseProtocol],
        pause_s: float = PAUSE_S,
    ) -> None:
        self._listener = listener
        self._make = make
        self._pause_s = pause_s
        self._loop = asyncio.get_running_loop()
        self._paused: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Accept from now on."""
        self._paused = None
        self._loop.add_reader(self._listener, self._accept, ACCEPTED_MAX)

    async def stop(self) -> None:
        """Accept those who wait, and nobody any more; then close the socket."""
        self._loop.remove_reader(self._listener)
        while self._accept(ACCEPTED_MAX):
            pass
        if self._paused is not None:
            self._paused.cancel()
        self._listener.close()
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _accept(self, at_most: int) -> bool:
        """Accept up to so many; whether there may be more."""
        for _ in range(at_most):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return False
            except ConnectionAbortedError:
                continue
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(error)
                else:
                    log.warning("a connection was not accepted: %s", error)
                return False
            self._begin(connection)
        return True

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        begun = self._loop.create_task(self._connect(connection))
        self._beginning.add(begun)
        begun.add_done_callback(self._beginning.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError as error:
            # Its client is gone already.
            log.debug("a connection ended before it began: %s", error)
            connection.close()

    def _pause(self, error: OSError) -> None:
        log.error("no connection is accepted for %g s: %s", self._pause_s, error)
        self._loop.remove_reader(self._listener)
        self._paused = self._loop.call_later(self._pause_s, self.start)
