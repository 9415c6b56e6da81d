"""An event whose holds all expire at one instant, while its free seats are sold.

Rule: the time until all of them are free is PostgreSQL's, from the instant at which they expire.
"""

import threading
import time
from pathlib import Path

from bench.database import HELD, BenchDatabase
from bench.failures import ServiceFailed
from bench.load import play
from bench.results import Storm
from bench.rows import reserve
from bench.service import Service

HOLDS = 50_000
SEATS = 10_000_000
# Longer than the service takes to start.
DUE_S = 15.0
# The load begins so long before the holds expire, and goes on for SECONDS.
BEFORE_S = 2.0
SECONDS = 20
CONNECTIONS = 64
POLL_S = 0.05
PATIENCE_S = 60.0

_DATABASE = "storm"


def storm(database: BenchDatabase, workers: int, folder: Path) -> Storm:
    """Let HOLDS holds of one event expire at once. Raises ServiceFailed if they never do."""
    dsn = database.make(_DATABASE, 10)
    database.add_holds(_DATABASE, HELD, holds=HOLDS, seats=SEATS, due_s=DUE_S)
    with Service(dsn, workers, folder) as ours:
        while (due_in_s := -database.due_since_s(_DATABASE, HELD)) > BEFORE_S:
            time.sleep(min(due_in_s - BEFORE_S, 1.0))
        free_after_s: list[float] = []
        watching = threading.Thread(target=lambda: free_after_s.append(_all_free(database)))
        before = ours.counts()
        watching.start()
        played = play(
            *(ours.port, [reserve(ours, HELD)], folder),
            connections=CONNECTIONS,
            seconds=SECONDS,
            mode="paced",
        )
        counts = ours.counts() - before
        watching.join()
    commit_s = counts.quantile("evently_commit_seconds", 0.99)
    database.drop(_DATABASE)
    if not free_after_s:
        raise ServiceFailed(f"{HOLDS} holds did not expire within {PATIENCE_S:g} s")
    return Storm(
        holds=HOLDS,
        free_after_s=free_after_s[0],
        commit_p99_ms=None if commit_s is None else commit_s * 1000,
        reserve_p99_ms=played.p99_us / 1000,
        errors=played.errors,
    )


def _all_free(database: BenchDatabase) -> float:
    """Wait until no seat of the event is held; how long after the holds expired."""
    deadline_s = time.monotonic() + PATIENCE_S
    while database.held_seats(_DATABASE, HELD):
        if time.monotonic() > deadline_s:
            raise ServiceFailed("some holds are still held")
        time.sleep(POLL_S)
    return database.due_since_s(_DATABASE, HELD)
