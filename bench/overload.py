"""What becomes of the service when more is asked of it than it can do.

Rule: the database is what bounds it here, slowed down on purpose: the load generator shares the
machine's processors, and were they the bound, what it takes would be measured, not what the
service does with too much.
"""

from pathlib import Path

from bench.database import HOT, BenchDatabase
from bench.load import Mode, Played, play
from bench.results import Overload
from bench.rows import reserve
from bench.service import Counts, Service

# What every commit takes longer, as with a slow disk or a far standby.
COMMIT_DELAY_MS = 20
EVENTS = 10
# Connections that keep a hot event's batches full; then so many times what it sold is offered.
PEAK_CONNECTIONS, OFFERED = 256, (1, 2, 4)
# The mean of what a client waits before it comes again, refused or not: play.lua's `patient`.
PAUSE_S = 0.5
# Over the time that thousands of connections take to be made.
SECONDS = 6

_DATABASE = "slow"
_MOVES = "/internal/events/{event_id}/update-availability"


def overload(database: BenchDatabase, workers: int, folder: Path) -> tuple[Overload, ...]:
    """Offer one event 1, 2 and 4 times the bookings that it took a second at its best."""
    dsn = database.make(_DATABASE, EVENTS)
    database.slow_down(_DATABASE, COMMIT_DELAY_MS)
    with Service(dsn, workers, folder) as ours:
        peak, _ = _drive(ours, folder, PEAK_CONNECTIONS, "flat out")
        found = tuple(_offer(ours, folder, peak.good_per_second, times) for times in OFFERED)
    database.drop(_DATABASE)
    return found


def _offer(ours: Service, folder: Path, peak: float, times: int) -> Overload:
    connections = round(times * peak * PAUSE_S)
    played, counts = _drive(ours, folder, connections, "patient")
    accepted_s = counts.quantile("evently_request_seconds", 0.99, "POST", _MOVES, "200")
    return Overload(
        times=times,
        connections=connections,
        peak=peak,
        answered=played.requests / (played.duration_us / 1e6),
        accepted=played.good_per_second,
        refused=played.status,
        broken=played.errors - played.status,
        accepted_p99_ms=None if accepted_s is None else accepted_s * 1000,
    )


def _drive(ours: Service, folder: Path, connections: int, mode: Mode) -> tuple[Played, Counts]:
    before = ours.counts()
    requests = [reserve(ours, HOT)]
    played = play(ours.port, requests, folder, connections=connections, seconds=SECONDS, mode=mode)
    return played, ours.counts() - before
