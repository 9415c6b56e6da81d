"""A number that shows every worker of a node that an admin has changed something.

Rule: it is bumped after the change is committed and before the admin is answered, and a cache of
what admins change reads it before it reads the database. So a request that comes after the admin's
answer, on any worker, never sees the state before the change.
"""

import fcntl
import mmap
import os
from pathlib import Path
from typing import Protocol

# One unsigned 64-bit integer; aligned, it is read and written by one instruction.
_SIZE = 8
_WRAP = 2**64


class Revision(Protocol):
    """Counts the changes of admins."""

    def current(self) -> int:
        """The current number; if it differs from an earlier one, something has changed."""

    def bump(self) -> None:
        """Something has changed."""


class LocalRevision:
    """Counts for one process."""

    def __init__(self) -> None:
        self._count = 0

    def __repr__(self) -> str:
        return f"<LocalRevision {self._count}>"

    def current(self) -> int:
        """The number of bumps so far."""
        return self._count

    def bump(self) -> None:
        """Count one more."""
        self._count += 1


class SharedRevision:
    """Counts for all processes that use the same file, which is created if it does not exist.

    Reading takes no lock and no system call. Bumping locks the file for the microsecond in which
    the number is read and written; the kernel releases the lock of a process that dies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < _SIZE:
            os.truncate(self._file, _SIZE)
        self._map = mmap.mmap(self._file, _SIZE)
        self._cell = memoryview(self._map).cast("Q")

    def __repr__(self) -> str:
        return f"<SharedRevision {self.current()} at {self._path}>"

    def current(self) -> int:
        """The number of bumps so far, by all processes."""
        return self._cell[0]

    def bump(self) -> None:
        """Count one more; no bump of another process is lost."""
        # flock, not lockf: it also excludes two revisions within one process.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._cell[0] = (self._cell[0] + 1) % _WRAP
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file; the number stays in it for the other processes."""
        self._cell.release()
        self._map.close()
        os.close(self._file)
