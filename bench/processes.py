"""The processor time and memory of a process and its children, from Linux's /proc.

Rule: a child that has ended still counts: the kernel adds its time to its parent's.
"""

import os
from contextlib import suppress
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# The fields of /proc/PID/stat after the name in brackets: see proc_pid_stat(5).
_PARENT = 1
_TIMES = slice(11, 15)
# The value of /proc/PID/clear_refs that resets the peak of the resident set.
_FORGET_PEAK = "5"


def family(pid: int) -> list[int]:
    """`pid` and its children."""
    children = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _stat(int(path.name))[_PARENT : _PARENT + 1] == [str(pid)]
    ]
    return [pid, *children]


def cpu_s(pid: int) -> float:
    """Seconds of user and system time that `pid` and its children have used."""
    ticks = sum(int(ticks) for member in family(pid) for ticks in _stat(member)[_TIMES])
    return ticks / _TICKS_A_SECOND


def forget_peak(pid: int) -> None:
    """Reset the peak of the memory."""
    for member in family(pid):
        with suppress(OSError):
            Path(f"/proc/{member}/clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def peak_mb(pid: int) -> float:
    """The sum of the largest resident sets since `forget_peak`."""
    return _status_kb(pid, "VmHWM") / 1024


def heap_bytes(pid: int) -> int:
    """The anonymous memory in use now: what the processes have allocated themselves."""
    return _status_kb(pid, "RssAnon") * 1024


def _stat(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _status_kb(pid: int, field: str) -> int:
    found = 0
    for member in family(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text(encoding="utf-8").splitlines():
                name, _, text = line.partition(":")
                if name == field:
                    found += int(text.split()[0])
    return found
