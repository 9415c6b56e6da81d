"""The lock of a data directory.

Rule: the kernel holds the lock, on an open file, and releases it however the owner ends. The
process id in the file names the owner, but proves nothing.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

from evently.embedded.errors import DataDirInUse
from evently.embedded.postmaster import POLL_S, alive

# Forked children of a killed owner may hold its lock for a moment, until they end too.
LOCK_S = 3.0


class DataDirLock:
    """The lock on the data directory `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file: IO[str] | None = None

    def take(self, lock_s: float = LOCK_S) -> None:
        """Take it, unless it is already held. Raises DataDirInUse."""
        if self._file is not None:
            return
        lock = os.fdopen(os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
        deadline_s = time.monotonic() + lock_s
        while not _locked(lock):
            lock.seek(0)
            holder = lock.read().strip()
            if alive(holder) or time.monotonic() > deadline_s:
                lock.close()
                raise DataDirInUse(
                    f"{self._root} is in use by the service with process id {holder or '?'}: "
                    "stop that service, or set EVENTLY_DATA_DIR to another directory"
                )
            time.sleep(POLL_S)
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._file = lock

    def release(self) -> None:
        """Release it, if it is held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
