"""Finds the process of a server by the pid file of its cluster, and ends it.

Rule: a process id in a file is only believed of a process that was started on this very cluster;
no other process is ever sent a signal.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from evently.embedded.errors import EmbeddedPostgresError

log = logging.getLogger(__name__)

# A fast shutdown writes memory to disk; the next steps are an immediate one and SIGKILL.
STOP_S = 20.0
QUIT_S = 5.0
# How long the server of a killed service gets to end by itself before it is signalled.
ORPHAN_S = 5.0
POLL_S = 0.02
# A pid file has eight lines, two of which are paths.
LINES_CHARACTERS_MAX = 16_384

_PID_LINE, _SOCKET_DIR_LINE, _STATUS_LINE = 0, 4, 7


class Postmaster:
    """The server that runs on `cluster`, whoever started it."""

    def __init__(self, cluster: Path) -> None:
        self._cluster = cluster
        self._pid_file = cluster / "postmaster.pid"

    @property
    def pid(self) -> int | None:
        """Its process id, if it is alive."""
        pid = line(self._pid_file, _PID_LINE)
        if pid is None or not pid.isdigit() or not alive(pid):
            return None
        return int(pid) if os.fsencode(self._cluster) in _command(int(pid)) else None

    def is_ready(self, pid: int) -> bool:
        """Whether its file says that the process `pid` accepts connections.

        The file of a killed server stays, and says so as well.
        """
        written_by = line(self._pid_file, _PID_LINE)
        return written_by == f"{pid}" and line(self._pid_file, _STATUS_LINE) == "ready"

    def forget(self) -> None:
        """Remove the file of a server that is gone."""
        self._pid_file.unlink(missing_ok=True)

    @property
    def socket_dir(self) -> Path | None:
        """Where it listens."""
        path = line(self._pid_file, _SOCKET_DIR_LINE)
        return Path(path) if path else None

    def end_orphan(self, orphan_s: float = ORPHAN_S) -> None:
        """End the server of a killed service, unless it is already shutting down by itself."""
        patience = ((signal.SIGINT, STOP_S), (signal.SIGQUIT, QUIT_S), (signal.SIGKILL, QUIT_S))
        gone = self._wait_gone(orphan_s)
        for sent, patience_s in patience:
            if gone:
                break
            pid = self.pid
            if pid is not None:
                log.warning("embedded PostgreSQL: ending process %d, left by a killed service", pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, sent)
            gone = self._wait_gone(patience_s)
        if not gone:
            raise EmbeddedPostgresError(
                f"another PostgreSQL server runs on {self._cluster} and does not end: stop it"
            )
        # Left by a server that was killed; another process may have its id by now.
        self.forget()

    def _wait_gone(self, patience_s: float) -> bool:
        deadline_s = time.monotonic() + patience_s
        while self.pid is not None:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(POLL_S)
        return True


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a server of our own: fast, then immediately, then by SIGKILL."""
    for sent, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, QUIT_S)):
        process.send_signal(sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
    process.kill()
    process.wait()


def alive(pid: str) -> bool:
    """Whether any process has this id."""
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def line(path: Path, number: int) -> str | None:
    """One line of a file of the server's user, stripped, which another process may be writing.

    A link is not followed: as root we could read what the server's user cannot.
    """
    how = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(path, how), encoding="utf-8") as file:
            return file.read(LINES_CHARACTERS_MAX).splitlines()[number].strip()
    except (OSError, UnicodeDecodeError, IndexError):
        return None


def _command(pid: int) -> list[bytes]:
    """The arguments that the process `pid` was started with; none if it is gone or a zombie."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []
    shown = subprocess.run(  # noqa: S603 - our own program and arguments
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
    ).stdout.strip()
    return [shown.partition(b" -D ")[2]]
