"""Single moves of one hot event beside requests for many moves, and beside as many single ones.

Rule: both are measured in turn on one service. As many moves are under way beside them in both: a
hundred on each of a few connections, or one on each of a hundred times as many.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from bench.database import HOT, BenchDatabase
from bench.load import Mode, play
from bench.results import Beside, Fairness
from bench.rows import MANY, reserve, reserve_many
from bench.service import Service

# The connections whose latency is measured, and those that send requests for many moves.
SINGLE, LARGE = 32, 4
# Half of what comes beside is for the hot event, half for these.
OTHERS = range(HOT + 1, HOT + 1 + MANY)
ROUNDS, SECONDS = 5, 2
# The load beside begins earlier and ends later, by so much together.
LONGER_S = 1

_DATABASE = "fair"


def fairness(database: BenchDatabase, workers: int, folder: Path) -> tuple[Fairness, ...]:
    """Measure single moves beside moves that come with pauses, and beside moves flat out."""
    dsn = database.make(_DATABASE, OTHERS.stop)
    with Service(dsn, workers, folder) as ours:
        bench = _Bench(ours, folder)
        found = (bench.compare("paced", "many paced"), bench.compare("flat out", "many"))
    database.drop(_DATABASE)
    return found


class _Bench:
    """One service, and what it is sent."""

    def __init__(self, ours: Service, folder: Path) -> None:
        self._port = ours.port
        self._folder, self._beside = folder, folder / "beside"
        self._beside.mkdir(exist_ok=True)
        self._hot = [reserve(ours, HOT)]
        self._ones = [reserve(ours, number) for other in OTHERS for number in (HOT, other)]
        self._many = [reserve_many(ours, [HOT] * MANY), reserve_many(ours, OTHERS)]

    def compare(self, ones: Mode, many: Mode) -> Fairness:
        """Both loads in turn, in so many rounds."""
        runs = [
            (
                self._run(self._ones, LARGE * MANY, ones, 1),
                self._run(self._many, LARGE, many, MANY),
            )
            for _ in range(ROUNDS)
        ]
        return Fairness(
            pace=ones,
            ones=tuple(beside for beside, _ in runs),
            many=tuple(beside for _, beside in runs),
            times=median(many.p99_ms / ones.p99_ms for ones, many in runs),
        )

    def _run(self, requests: Sequence[str], connections: int, mode: Mode, moves: int) -> Beside:
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(
                play,
                self._port,
                requests,
                self._beside,
                connections=connections,
                seconds=SECONDS + LONGER_S,
                mode=mode,
            )
            single = play(self._port, self._hot, self._folder, connections=SINGLE, seconds=SECONDS)
            beside = other.result()
        return Beside(
            per_second=single.good_per_second,
            p50_ms=single.p50_us / 1000,
            p99_ms=single.p99_us / 1000,
            beside_per_second=beside.good_per_second * moves,
            errors=single.errors + beside.errors,
        )
