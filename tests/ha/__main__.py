"""`python -m tests.ha`: two service nodes on a real cluster, and what befalls it.

Rule: nothing is repaired that an operator would not have to repair, and exit code 1 says that a
promise was broken: a move lost, doubled, done after its refusal or never resolved, a change that a
follower of the feed missed or was told and never was, or a service that needed more than 5 s on top
of the cluster's own time.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from evently.domain.value import value
from tests.acceptance.service import Service
from tests.chaos.follower import Follower
from tests.chaos.stage import LoopThread
from tests.ha.buyers import Buyers, Count
from tests.ha.cluster import DATABASE, HEALED_S, PatroniCluster, until
from tests.ha.witnesses import Witnesses

SERVICES = 2
ON_TOP_S = 5.0
# All of it; each wait has a bound of its own.
RUN_S = 600
# Before a fault and after its end, so that there is something to lose, and an end to measure to.
CALM_S, CALM_OKS = 3.0, 100
# How long etcd is away, and a standby: over Patroni's time to live.
AWAY_S = 25.0
HOT_SEATS, SCARCE_SEATS = 100_000, 20
# What followers that began after the events were published are to hear of them.
CHANGES = """
SELECT event_id, version, unnest(kinds) AS kind
  FROM event_changes
 WHERE event_id = ANY ($1::uuid[]) AND version > 2
"""

Act = Callable[[PatroniCluster], None]


@value
class Fault:
    """What befalls the cluster: `strike` begins it, and `repair` is what an operator does then."""

    name: str
    strike: Act
    repair: Act
    before: Act = lambda cluster: None
    nodes: int = 3


def _nothing(cluster: PatroniCluster) -> None:
    """The cluster repairs itself."""


def _first_leads(cluster: PatroniCluster) -> None:
    """Let the first host of the URL lead, so that it is the one in the way when it is silent."""
    first = cluster.nodes[-1]
    if cluster.leader() is first:
        return
    synchronous = cluster.sync_standby()
    if synchronous is not first:
        # Only what is synchronous may take over.
        synchronous.stop()
        until(lambda: cluster.sync_standby() is first, HEALED_S, "the first host is synchronous")
        synchronous.start()
        cluster.until_healthy()
    cluster.leader().switch_over(first)
    until(lambda: cluster.leader() is first, HEALED_S, "the first host leads")
    cluster.until_healthy()


def _thaw(cluster: PatroniCluster) -> None:
    for node in cluster.nodes:
        node.thaw()


def _start_all(cluster: PatroniCluster) -> None:
    time.sleep(AWAY_S)
    for node in cluster.nodes:
        node.start()


def _start_etcd(cluster: PatroniCluster) -> None:
    time.sleep(AWAY_S)
    cluster.etcd.start()


FAULTS = (
    Fault("primary process killed", lambda c: c.leader().kill_postgres(), _nothing),
    Fault("primary frozen", lambda c: c.leader().freeze(), _nothing, _first_leads, nodes=2),
    Fault("old primary back", _thaw, _nothing),
    Fault("switchover", lambda c: c.leader().switch_over(c.sync_standby()), _nothing),
    Fault("standby lost", lambda c: c.sync_standby().kill(), _start_all),
    Fault("etcd lost", lambda c: c.etcd.kill(), _start_etcd),
)


@value
class Result:
    """What came of a fault; the seconds are the longest without a success from then on.

    `told` changes were to be heard by each follower; `untrue` of them were missed, or were none.
    """

    name: str
    cluster_s: float
    service_s: float
    count: Count
    told: int
    untrue: int

    @property
    def broken(self) -> bool:
        """Whether a promise was."""
        late = self.service_s > self.cluster_s + ON_TOP_S
        return bool(self.count.wrong or self.untrue) or late

    def __str__(self) -> str:
        count = self.count
        return (
            f"{self.name:<24}{self.cluster_s:>12.1f}{self.service_s:>12.1f}{count.moves:>9}"
            f"{count.lost:>7}{count.doubled:>9}{count.refused_then_done:>19}{count.unresolved:>12}"
            f"{self.told:>9}{self.untrue:>16}"
        )


HEADING = (
    f"{'fault':<24}{'cluster, s':>12}{'service, s':>12}{'moves':>9}"
    f"{'lost':>7}{'doubled':>9}{'refused then done':>19}{'unresolved':>12}"
    f"{'changes':>9}{'missed or false':>16}"
)


class Run:
    """The cluster with its services; `play` plays one fault under load."""

    def __init__(self, cluster: PatroniCluster, services: list[Service], loop: LoopThread) -> None:
        self._cluster = cluster
        self._services = services
        self._loop = loop

    def play(self, fault: Fault) -> Result:
        """Strike in the middle of the load; what came of it."""
        fault.before(self._cluster)
        buyers = self._loop.call(self._buyers())
        witnesses = Witnesses([node.port for node in self._cluster.nodes])
        followers = [Follower(service, number) for number, service in enumerate(self._services)]
        for follower in followers:
            self._loop.call(follower.start())
        self._loop.call(buyers.start())
        self._loop.call(witnesses.start())
        try:
            self._until_calm(buyers)
            struck_s = time.monotonic()
            fault.strike(self._cluster)
            fault.repair(self._cluster)
            self._cluster.until_healthy(fault.nodes)
            self._until_calm(buyers)
            cluster_s, service_s = witnesses.silence_s(struck_s), buyers.silence_s(struck_s)
        finally:
            self._loop.call(witnesses.stop())
            self._loop.call(buyers.stop(), HEALED_S)
            for follower in followers:
                self._loop.call(follower.finish(HEALED_S), 2 * HEALED_S)
        count, told, untrue = self._loop.call(self._check(buyers, followers))
        return Result(fault.name, cluster_s, service_s, count, told, untrue)

    def _until_calm(self, buyers: Buyers) -> None:
        since_s = time.monotonic()
        time.sleep(CALM_S)
        until(lambda: buyers.oks_since(since_s) >= CALM_OKS, HEALED_S, "the services sell")

    async def _buyers(self) -> Buyers:
        first = self._services[0]
        async with first.connected():
            ids = [
                (await first.clients.published_event(total_capacity=seats))["event_id"]
                for seats in (*[HOT_SEATS] * 4, *[SCARCE_SEATS] * 4)
            ]
        urls = [service.process.url for service in self._services]
        return Buyers(urls, first.api.internal_key, ids[:4], ids[4:])

    async def _check(self, buyers: Buyers, followers: list[Follower]) -> tuple[Count, int, int]:
        """What is wrong with the moves; how many changes there were, and were not told as such."""
        leader = self._cluster.leader()
        connection = await asyncpg.connect(
            f"postgresql://postgres@127.0.0.1:{leader.port}/{DATABASE}?sslmode=disable"
        )
        try:
            rows = await connection.fetch(CHANGES, buyers.events)
            changes = {(str(row["event_id"]), row["version"], row["kind"]) for row in rows}
            heard = [
                {
                    (one.event_id, one.version, one.kind)
                    for one in follower.heard
                    if one.event_id in buyers.events
                }
                for follower in followers
            ]
            untrue = sum(len(changes ^ one) for one in heard)
            return await buyers.check(connection), len(changes), untrue
        finally:
            await connection.close()


@contextmanager
def running() -> Iterator[tuple[Run, list[Service]]]:
    """All of it, started; at the end nothing of it is left."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="evently-ha-"))
        loop = stack.enter_context(LoopThread().running())
        cluster = stack.enter_context(PatroniCluster(Path(folder)))
        asyncio.run(_create_database(cluster.leader().port))
        services = [Service(cluster.dsn, 1) for _ in range(SERVICES)]
        for service in services:
            stack.callback(service.process.discard)
        # The first host of the URL is a standby now.
        done = services[0].process.run("migrate")
        assert done.returncode == 0, done.stderr
        for service in services:
            service.process.start()
        yield Run(cluster, services, loop), services


async def _create_database(port: int) -> None:
    connection = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    try:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


def main() -> int:
    """Play the faults; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.ha", description=__doc__)
    parser.add_argument("--only", help="the faults whose names contain this")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if given.only is None or given.only in fault.name]
    _say("starting etcd, three nodes of PostgreSQL under Patroni, two of the service")
    results = []
    with running() as (run, services):
        _say(HEADING)
        for fault in faults:
            results.append(run.play(fault))
            _say(str(results[-1]))
        services[0].process.verify()
        for service in services:
            service.process.stop()
    broken = [result.name for result in results if result.broken]
    _say(f"broken: {', '.join(broken)}" if broken else "every promise held; verify found nothing")
    return 1 if broken else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"not over within {RUN_S} s")


if __name__ == "__main__":
    # As Ctrl-C does: nothing that was started is left.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(RUN_S)
    sys.exit(main())
