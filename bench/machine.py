"""What the benchmark needs on a machine, and a description of the machine.

Rule: what is missing is installed if possible, and otherwise reported before anything is measured,
not after ten minutes.
"""

import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from bench.database import BenchDatabase
from bench.failures import NotReady
from bench.results import Machine
from evently.settings import usable_cpus

# Above this, other processes are busy and distort the figures.
QUIET_LOAD = 0.5
FLUSHES = 100
# PostgreSQL writes its WAL in pages of this size.
FLUSH_BYTES = 8192
# For four times the clients of the peak: 11 000 connections on a fast machine.
FILES = 65_536
INSTALL_S = 300.0

PACKAGES = ("aiohttp", "asyncpg", "uvloop", "pydantic", "msgspec", "prometheus-client")


def prepare() -> None:
    """Check that everything is available. Raises NotReady."""
    if sys.platform != "linux":
        raise NotReady("the bench reads processor time and memory from /proc: run it on Linux")
    if shutil.which("wrk") is None:
        _install_wrk()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def _install_wrk() -> None:
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        raise NotReady(
            "wrk generates the load, and it is not installed: install it with your system's "
            "package manager (Debian and Ubuntu: sudo apt-get install wrk), then start again"
        )
    for arguments in (("update", "-q"), ("install", "-y", "-q", "wrk")):
        subprocess.run(  # noqa: S603 - our own arguments
            [apt, *arguments], stdout=sys.stderr, check=False, timeout=INSTALL_S
        )
    if shutil.which("wrk") is None:
        raise NotReady("wrk generates the load, and apt-get could not install it: see above")


def load_now() -> float:
    """The load average of the last minute, for each processor."""
    return os.getloadavg()[0] / usable_cpus()


def machine(database: BenchDatabase, folder: Path, workers: int, load_before: float) -> Machine:
    """The machine of this run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wrk = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False)  # noqa: S607
    return Machine(
        processor=_processor(),
        processors=usable_cpus(),
        memory_gb=memory / 2**30,
        system=f"{platform.system()} {platform.release()}",
        flush_ms=_flush_ms(folder),
        load_before=load_before,
        workers=workers,
        versions={
            "Python": platform.python_version(),
            "PostgreSQL": database.version,
            **{name: version(name) for name in PACKAGES},
            "wrk": wrk.stdout.removeprefix("wrk ").partition(" ")[0],
        },
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, text = line.partition(":")
        if name.strip() in ("model name", "Model"):
            return text.strip()
    return platform.machine()


def _flush_ms(folder: Path) -> float:
    """The median time to flush a write to this disk."""
    path = folder / "flush"
    took_ms = []
    with path.open("wb", buffering=0) as file:
        for _ in range(FLUSHES):
            file.seek(0)
            file.write(os.urandom(FLUSH_BYTES))
            started_s = time.perf_counter()
            os.fdatasync(file.fileno())
            took_ms.append((time.perf_counter() - started_s) * 1000)
    path.unlink()
    return statistics.median(took_ms)


def commit() -> str | None:
    """The measured commit, if this is a clone."""
    git = shutil.which("git")
    if git is None:
        return None
    root = Path(__file__).parent
    done = subprocess.run(  # noqa: S603 - our own arguments
        [git, "-C", str(root), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
