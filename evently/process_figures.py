"""What this process costs the machine, for the metrics.

Rule: prometheus-client has no process collector for several processes, so each worker reports its
own figures, and their sum is shown. What the system does not tell is left out.
"""

import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Protocol

PACKAGE = "evently-event-service"
_STATM, _FDS = Path("/proc/self/statm"), Path("/proc/self/fd")


class Watches(Protocol):
    """Where the figures go: gauges and counters that are read at every poll."""

    def watch(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A gauge, of which the sum over all workers is reported."""

    def watch_total(self, name: str, what: str, read: Callable[[], float]) -> None:
        """A counter, likewise; `read` never falls."""

    def tell(self, name: str, what: str, **labels: str) -> None:
        """A gauge that is always 1 and says something by its labels."""


def watch_process(metrics: Watches) -> None:
    """Report this process and the release that it runs."""
    metrics.tell(
        "evently_build_info",
        "The release, and what it runs on; always 1",
        version=release(),
        python=platform.python_version(),
    )
    metrics.watch_total(
        "evently_process_cpu_seconds_total", "Processor time of the workers", time.process_time
    )
    if _STATM.exists():
        metrics.watch(
            "evently_process_resident_memory_bytes", "Resident memory of the workers", _resident
        )
        metrics.watch(
            "evently_process_open_fds",
            "Open files of the workers, connections included",
            lambda: len(os.listdir(_FDS)),  # noqa: PTH208 - ten times faster, once a second
        )


def release() -> str:
    """The version of the installed distribution."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def _resident() -> float:
    pages = int(_STATM.read_bytes().split()[1])
    return float(pages * os.sysconf("SC_PAGESIZE"))
