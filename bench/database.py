"""A temporary PostgreSQL with events, and its throughput without the service.

Rules:

1. It commits as durably as in production, and its settings are checked: figures of a server that
   does not flush are worthless.
2. Its WAL files exist beforehand, as in a server that has written its first gigabyte: creating one
   delays every commit by 20 to 50 ms, and a new server creates one every second.
"""

import asyncio
import hashlib
import os
import re
import statistics
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg
import msgspec

from bench.failures import LoadFailed, NotDurable
from bench.processes import cpu_s
from db.event_check import EventCheck
from db.migrate import migrate
from evently.commands.verify import Verified, verify_events
from evently.embedded import EmbeddedPostgres
from evently.embedded.cluster import FOLDER
from evently.settings import usable_cpus

# For pgbench's 64 clients next to the pools of the service.
CONFIG = {"max_connections": "200", "min_wal_size": "2GB"}
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
EMPTY = "empty"
# The events of the database that pgbench moves seats in.
LIMIT, LIMIT_EVENTS = "limit", 1000
# The events of seed.sql with a special role, by number.
HOT, SEATS_OUT = 1, 2
# The event that held_seats.sql adds: no seed has so many.
HELD = 1_000_001

# WAL files of 16 MB that are created before anything is measured.
LOG_FILES = 96
# Quantiles need at least this many.
TRANSACTIONS_MIN = 2

_HERE = Path(__file__).parent
_LOG_TIME_FIELD = 2
_RATE = re.compile(r"tps = ([0-9.]+) \(without initial connection time\)")


def event_id(number: int) -> str:
    """The id that seed.sql gives to the event of this number."""
    return str(UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()))


def hold_id(number: int) -> str:
    """The id that held_seats.sql gives to the hold of this number."""
    return str(UUID(hashlib.md5(f"hold {number}".encode(), usedforsecurity=False).hexdigest()))


class Transactions(msgspec.Struct, frozen=True):
    """The transactions of pgbench; `cpu_us` is PostgreSQL's processor time for each."""

    done: int
    per_second: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_us: float


class BenchDatabase:
    """One server, with a database for each number of events, created on demand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = EmbeddedPostgres(folder / "data", CONFIG)

    def __enter__(self) -> Self:
        self._server.start()
        try:
            for setting in DURABLE:
                if self._server.psql(f"SHOW {setting}").strip() != "on":
                    raise NotDurable(f"{setting} is not on")
            self._server.psql(
                "SELECT pg_logical_emit_message(false, 'bench', ''), pg_switch_wal()"  # noqa: S608
                f" FROM generate_series(1, {LOG_FILES})"
            )
            self._server.psql("CHECKPOINT")
            self._server.create_database(EMPTY)
            asyncio.run(_migrate(self._server.dsn(EMPTY)))
        except BaseException:
            self._server.stop()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.stop()

    @property
    def version(self) -> str:
        """The version of PostgreSQL."""
        return self._server.psql("SHOW server_version").strip()

    def cpu_s(self) -> float:
        """Seconds of processor time that the server has used."""
        return cpu_s(self._server.pid)

    def make(self, name: str, events: int) -> str:
        """The URL of a new database with so many events, ready to be measured."""
        self._server.create_database(name, EMPTY)
        seed = (_HERE / "seed.sql").read_text(encoding="utf-8")
        self._server.psql(seed.replace(":events", str(events)), name)
        self._server.psql("VACUUM (ANALYZE)", name)
        # Otherwise the checkpoint after so much writing would fall into the first measurement.
        self._server.psql("CHECKPOINT", name)
        return self._server.dsn(name)

    def copy(self, to: Path) -> None:
        """Copy the server's files, as those of a standby of it."""
        cluster, copy = self._folder / "data" / FOLDER, self._folder / "data" / "copy"
        # PostgreSQL's programs may run as their own user.
        copy.mkdir(mode=0o700)
        os.chown(copy, cluster.stat().st_uid, cluster.stat().st_gid)
        dsn = self._server.dsn("postgres")
        self._server.run("pg_basebackup", "-d", dsn, "-D", str(copy), "-R", "-c", "fast")
        copy.rename(to)

    def ask(self, sql: str) -> str:
        """The answer to a question about the server."""
        return self._server.psql(sql).strip()

    def slow_down(self, name: str, commit_ms: int) -> None:
        """Make every commit in a database take `commit_ms` longer, in new sessions."""
        for setting, to in (("commit_delay", commit_ms * 1000), ("commit_siblings", 0)):
            self._server.psql(f"ALTER DATABASE {name} SET {setting} = {to}")

    def drop(self, name: str) -> None:
        """Remove a database that was measured."""
        self._server.drop_database(name)

    def add_event(self, name: str, number: int, seats: int) -> None:
        """Add an event with few seats."""
        sql = (_HERE / "few_seats.sql").read_text(encoding="utf-8")
        self._server.psql(sql.replace(":event", str(number)).replace(":seats", str(seats)), name)

    def add_holds(self, name: str, number: int, *, holds: int, seats: int, due_s: float) -> None:
        """Add an event with free seats, and holds of one seat that expire in `due_s`."""
        sql = (_HERE / "held_seats.sql").read_text(encoding="utf-8")
        for word, given in (("event", number), ("holds", holds), ("seats", seats), ("due", due_s)):
            sql = sql.replace(f":{word}", str(given))
        self._server.psql(sql, name)
        self._server.psql("VACUUM (ANALYZE)", name)
        self._server.psql("CHECKPOINT", name)

    def add_versions(self, name: str, number: int, versions: int) -> None:
        """Give an event of the seed a long ledger."""
        sql = (_HERE / "busy_ledger.sql").read_text(encoding="utf-8")
        self._server.psql(
            sql.replace(":event", str(number)).replace(":versions", str(versions)), name
        )
        self._server.psql("VACUUM (ANALYZE)", name)
        self._server.psql("CHECKPOINT", name)

    def make_super_admins(self, name: str) -> None:
        """Let all who are registered see and change everything."""
        self._server.psql("UPDATE admins SET role = 'super_admin'", name)

    def held_seats(self, name: str, number: int) -> int:
        """Seats in holds of an event."""
        sql = f"SELECT held_seats FROM events WHERE event_id = '{event_id(number)}'"  # noqa: S608
        return int(self._server.psql(sql, name))

    def due_since_s(self, name: str, number: int) -> float:
        """How long ago the last hold of an event expired, or will, if it is below 0."""
        sql = "SELECT extract(epoch FROM clock_timestamp() - max(expires_at)) FROM event_holds"
        return float(self._server.psql(f"{sql} WHERE event_id = '{event_id(number)}'", name))

    def seats_left(self, name: str, number: int) -> tuple[int, int]:
        """Seats available of an event, and seats sold as its ledger adds them up."""
        sold = "(SELECT -sum(seat_delta) FROM event_ledger AS l WHERE l.event_id = e.event_id)"
        sql = f"SELECT available_seats, {sold} FROM events AS e WHERE event_id = "  # noqa: S608
        left, _, sold = self._server.psql(f"{sql}'{event_id(number)}'", name).strip().partition("|")
        return int(left), int(sold)

    def verify(self, name: str) -> Verified:
        """Compare every event of a database with its ledger, as `evently verify` does."""
        return asyncio.run(_verify(self._server.dsn(name)))

    def take_seats(self, clients: int, events: int, seconds: int) -> Transactions:
        """Let pgbench take seats of `events` events, one seat and its ledger row at a time."""
        script = self._folder / "pgbench.sql"
        sql = (_HERE / "take_a_seat.sql").read_text(encoding="utf-8")
        script.write_text(f"\\set n random(1, {events})\n{sql}", encoding="utf-8")
        script.chmod(0o644)
        logs = self._folder / "pgbench"
        logs.mkdir(exist_ok=True)
        # PostgreSQL's programs may run as their own user.
        logs.chmod(0o777)
        before_s = self.cpu_s()
        said = self._server.run(
            "pgbench",
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={clients}",
            f"--jobs={min(clients, usable_cpus())}",
            f"--time={seconds}",
            "--log",
            f"--log-prefix={logs}/log",
            f"--file={script}",
            self._server.dsn(LIMIT),
        )
        used_s = self.cpu_s() - before_s
        return _transactions(logs, said, used_s)


def _transactions(logs: Path, said: str, used_s: float) -> Transactions:
    """Read pgbench's output and its logs, one line for each transaction; then remove the logs."""
    took_ms: list[float] = []
    for log in logs.iterdir():
        lines = log.read_text(encoding="ascii").splitlines()
        took_ms += [int(line.split()[_LOG_TIME_FIELD]) / 1000 for line in lines]
        log.unlink()
    rate = _RATE.search(said)
    if rate is None or len(took_ms) < TRANSACTIONS_MIN:
        raise LoadFailed(f"pgbench did nothing: {said}")
    cuts = statistics.quantiles(took_ms, n=1000)
    return Transactions(
        done=len(took_ms),
        per_second=float(rate[1]),
        p50_ms=cuts[499],
        p99_ms=cuts[989],
        p999_ms=cuts[998],
        cpu_us=used_s / len(took_ms) * 1e6,
    )


async def _migrate(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await migrate(connection)
    finally:
        await connection.close()


async def _verify(dsn: str) -> Verified:
    async with EventCheck(dsn) as check:
        return await verify_events(check, lambda line: None)
