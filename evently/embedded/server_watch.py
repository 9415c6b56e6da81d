"""Restarts the embedded server when it dies.

Rules

1. It never waits: `look` is called again and again, from the main thread, and does what is due.
2. A server that had settled is restarted at once. One that dies soon after its start is restarted
   after a pause that doubles each time; after DEATHS_MAX in a row it gives up, loudly.
3. A start that takes long is left to go on: replaying WAL again from the beginning is no faster.
"""

import logging
import time
from collections.abc import Callable
from typing import Protocol

from evently.embedded.errors import EmbeddedPostgresError

log = logging.getLogger(__name__)

# A server that answered for this long had started well.
SETTLED_S = 10.0
# Six seconds of pauses: a start that fails for longer has a cause that waiting does
# not remove, and whoever runs the service should hear of it.
DEATHS_MAX = 6
# Before the second restart; the processes of a killed server end within it.
PAUSE_S = 0.4


class Restartable(Protocol):
    """What is watched: an embedded server that has been started."""

    @property
    def running(self) -> bool:
        """Whether its process is alive."""

    @property
    def ready(self) -> bool:
        """Whether it accepts connections."""

    def relaunch(self) -> None:
        """Start its process again, without waiting for it. Raises OSError."""

    def last_words(self) -> str:
        """How its process ended, and the end of its log."""


class ServerWatch:
    """Watches one server for as long as `look` is called."""

    def __init__(self, server: Restartable, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._deaths = 0
        self._ready_at_s = clock()
        self._down_at_s: float | None = None
        self._restart_at_s: float | None = None

    def look(self) -> None:
        """Restart the server if it is dead and it is time. Raises EmbeddedPostgresError at last."""
        now_s = self._clock()
        if self._server.running:
            self._note_readiness(now_s)
            return
        if self._restart_at_s is None:
            self._restart_at_s = now_s + self._pause_after_death(now_s)
        if now_s >= self._restart_at_s:
            self._restart_at_s = None
            try:
                self._server.relaunch()
            except OSError as error:
                log.error("embedded PostgreSQL: it cannot be started: %s", error)

    def _note_readiness(self, now_s: float) -> None:
        if self._down_at_s is not None and self._server.ready:
            down_s = now_s - self._down_at_s
            log.warning("embedded PostgreSQL: it accepts connections again, after %.1f s", down_s)
            self._down_at_s, self._ready_at_s = None, now_s

    def _pause_after_death(self, now_s: float) -> float:
        """Count a death; the seconds until the restart."""
        settled = self._down_at_s is None and now_s - self._ready_at_s > SETTLED_S
        self._deaths = 1 if settled else self._deaths + 1
        self._down_at_s = now_s if self._down_at_s is None else self._down_at_s
        words = self._server.last_words()
        if self._deaths >= DEATHS_MAX:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL died {self._deaths} times in a row: shutting down; "
                f"{words}"
            )
        pause_s = 0.0 if self._deaths == 1 else PAUSE_S * 2 ** (self._deaths - 2)
        log.error("embedded PostgreSQL: it died; restarting it in %.1f s; %s", pause_s, words)
        return pause_s
