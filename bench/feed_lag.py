"""The command `python -m bench.feed_lag`: how long after its commit a change is told by the feed.

Rule: the time runs from the moment at which the caller has its answer until a follower has the
change, both by one clock, in one process.
"""

import asyncio
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click

from bench.database import BenchDatabase, event_id
from bench.machine import load_now
from bench.service import Service
from evently.commands.burst_figures import quantiles
from evently_client import EventServiceClient

ROOT = Path(__file__).resolve().parents[1]
# Each change is told to all of them, by both nodes.
FOLLOWERS = 8
CHANGES = 400
# Slower than the feed looks for changes of other nodes, so that its pace shows.
PACE_S = 0.03
EVENT = 1_000_002
_DATABASE = "feed"


async def measure(near_node: Service, far_node: Service) -> dict[str, list[float]]:
    """Seconds from the answer to a change until followers have it, by the node they follow."""
    told_s: dict[int, float] = {}
    heard: dict[str, list[tuple[int, float]]] = {"the same worker": [], "another node": []}
    async with (
        EventServiceClient(_url(near_node), near_node.key) as near,
        EventServiceClient(_url(far_node), far_node.key) as far,
    ):
        cursor = await near.latest_cursor()

        async def follow(node: str, client: EventServiceClient) -> None:
            at_s: dict[int, float] = {}
            async for change in client.changes(cursor):
                # What is told again was told the first time.
                at_s.setdefault(change.version, time.perf_counter())
                if len(at_s) == CHANGES:
                    break
            heard[node] += at_s.items()

        async with asyncio.TaskGroup() as group:
            for node, client in zip(heard, (near, far), strict=True):
                for _ in range(FOLLOWERS):
                    group.create_task(follow(node, client))
            # The event has one seat, so each move sells it out or reopens it.
            for number in range(CHANGES):
                call = near.return_seats if number % 2 else near.reserve
                moved = await call(event_id(EVENT), 1)
                told_s[moved.version] = time.perf_counter()
                await asyncio.sleep(PACE_S)
    return {
        node: [at_s - told_s[version] for version, at_s in found] for node, found in heard.items()
    }


def _url(node: Service) -> str:
    return f"http://127.0.0.1:{node.port}"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure the lag of the feed on two nodes of one worker each, and print its quantiles."""
    (ROOT / "build").mkdir(exist_ok=True)
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with BenchDatabase(folder / "database") as database:
            dsn = database.make(_DATABASE, 10)
            database.add_event(_DATABASE, EVENT, 1)
            with Service(dsn, 1, folder) as near, Service(dsn, 1, folder) as far:
                lags = asyncio.run(measure(near, far))
    click.echo(f"{CHANGES} changes to {FOLLOWERS} followers of each node, load {load_now():.1f}")
    for node, lags_s in lags.items():
        click.echo(f"  {node:<16} {quantiles(lags_s)}")


if __name__ == "__main__":
    main()
