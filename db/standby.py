"""Notices a commit whose wait for the synchronous standby was cut short.

Rule: such a commit is reported by the server as done, and is gone after a failover: its outcome is
unknown. The server says so in a warning, which is known by the function it comes from: its text
follows the server's language, and its code is that of any warning.
"""

from typing import Any

from asyncpg import PostgresLogMessage

_WAITS_FOR_STANDBY = "SyncRepWaitForLSN"
CUT_SHORT = "committed without waiting for the synchronous standby"


class StandbyWait:
    """Listens to what the server says on one connection. The driver calls `note`."""

    __slots__ = ("_cut_short",)

    def __init__(self) -> None:
        self._cut_short = False

    def note(self, connection: Any, message: PostgresLogMessage) -> None:
        """Take a message of the server, before the answer to its statement."""
        if getattr(message, "server_source_function", None) == _WAITS_FOR_STANDBY:
            self._cut_short = True

    def was_cut_short(self) -> bool:
        """Whether that befell a commit since this was asked last."""
        cut_short, self._cut_short = self._cut_short, False
        return cut_short
