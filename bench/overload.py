"""The service under more load than it can handle.

Rule: the database, slowed down on purpose, is the bottleneck here. The load generator shares the
processors; if they were the bottleneck, this would measure the generator instead of how the service
handles overload.
"""

from pathlib import Path

from bench.database import HOT, BenchDatabase
from bench.load import Mode, Played, play
from bench.results import Overload
from bench.rows import reserve
from bench.service import Counts, Service

# Added to every commit, as by a slow disk or a distant standby.
COMMIT_DELAY_MS = 20
EVENTS = 10
# Connections that keep a hot event's batches full; then multiples of the rate it sold at.
PEAK_CONNECTIONS, OFFERED = 256, (1, 2, 4)
# The mean pause of a client before its next request, refused or not: play.lua's `patient`.
PAUSE_S = 0.5
# Longer than it takes to open thousands of connections.
SECONDS = 6

_DATABASE = "slow"
_MOVES = "/internal/events/{event_id}/update-availability"


def overload(database: BenchDatabase, workers: int, folder: Path) -> tuple[Overload, ...]:
    """Offer one event 1, 2 and 4 times the bookings a second that it handled at its peak."""
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
        broken=sum(played.broken.values()),
        broken_how=", ".join(f"{how}: {some}" for how, some in played.broken.items() if some),
        accepted_p99_ms=None if accepted_s is None else accepted_s * 1000,
    )


def _drive(ours: Service, folder: Path, connections: int, mode: Mode) -> tuple[Played, Counts]:
    before = ours.counts()
    requests = [reserve(ours, HOT)]
    played = play(ours.port, requests, folder, connections=connections, seconds=SECONDS, mode=mode)
    return played, ours.counts() - before
