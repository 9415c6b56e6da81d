"""The service's own PostgreSQL: it starts, ends with its owner, and never loses what it was told.

The owner is a process of its own here, wherever a test kills it. Most servers here are not
durable, which is faster: what a server wrote at its end outlives it either way. Only tests of a
first start have a data directory of their own.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from evently.embedded import EmbeddedPostgres, EmbeddedPostgresError, running_dsn

# Far more than anything here takes; who waits longer has found a bug.
PATIENCE_S = 60.0
OWNER = """
import sys
from pathlib import Path
from evently.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """Not under pytest's folder, whose mode every other run resets to root's own."""
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def new_table() -> str:
    """A table's name that no other test has."""
    return f"kept_{uuid4().hex}"


@contextmanager
def owner_of(data_dir: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that starts a server on `data_dir` and then waits for the end of its stdin."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        try:
            yield owner
        finally:
            owner.kill()


def server_of(owner: "subprocess.Popen[str]") -> int:
    assert owner.stdout is not None
    return int(owner.stdout.readline())


def wait_for_end(pid: int) -> None:
    """Wait until the process `pid`, no child of ours, has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], PATIENCE_S)[0], f"process {pid} goes on"
    finally:
        os.close(process)


def wait_for_file(folder: Path, pattern: str, owner: "subprocess.Popen[str]") -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not any(folder.glob(pattern)):
        assert owner.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_it_is_what_the_service_needs(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir) as server:
        assert server.running
        shown = {
            name: server.psql(f"SHOW {name}").strip()
            for name in ("fsync", "synchronous_commit", "wal_level", "listen_addresses")
        }
        known = server.psql("SELECT datname FROM pg_database WHERE datname = 'evently'")

    assert shown == {
        "fsync": "on",
        "synchronous_commit": "on",
        "wal_level": "logical",
        "listen_addresses": "",
    }
    assert known.strip() == "evently"
    assert not server.running


def test_what_is_given_goes_before_its_own_configuration(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, {"max_connections": "7"}, durable=False) as server:
        assert server.psql("SHOW max_connections").strip() == "7"


def test_a_restart_finds_the_data(used_dir: Path) -> None:
    table = new_table()
    server = EmbeddedPostgres(used_dir, durable=False)
    with server:
        server.psql(f"CREATE TABLE {table} AS SELECT 42 AS n", "evently")
    with server:
        assert server.psql(f"SELECT n FROM {table}", "evently").strip() == "42"


def test_a_stop_ends_the_server_also_under_a_client(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, durable=False) as server:
        pid = server.pid
        with subprocess.Popen(
            [sys.executable, "-c", CLIENT, server.dsn()], stdout=subprocess.PIPE
        ) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == b"connected\n"
            while server.psql(SLEEPERS).strip() != "1":
                assert client.poll() is None
            server.stop()
            assert client.wait(PATIENCE_S) == 0

    wait_for_end(pid)


SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
CLIENT = """
import asyncio, sys
import asyncpg
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    print("connected", flush=True)
    try:
        await connection.fetch("SELECT pg_sleep(600)")
    except (asyncpg.PostgresError, OSError):
        return
    raise SystemExit("the server went on")
asyncio.run(main())
"""


def test_the_server_goes_when_its_owner_is_killed(used_dir: Path) -> None:
    with owner_of(used_dir) as owner:
        pid = server_of(owner)
        os.kill(owner.pid, signal.SIGKILL)
        wait_for_end(pid)


def test_a_start_right_after_a_kill_finds_the_data(used_dir: Path) -> None:
    table = new_table()
    with EmbeddedPostgres(used_dir, durable=False) as server:
        server.psql(f"CREATE TABLE {table} (n int)", "evently")

    with owner_of(used_dir) as owner:
        pid = server_of(owner)
        owner.kill()
        owner.wait()
        with EmbeddedPostgres(used_dir, durable=False) as server:
            assert server.pid != pid
            server.psql(f"INSERT INTO {table} VALUES (1)", "evently")


def test_a_start_after_the_server_itself_was_killed_finds_the_data(used_dir: Path) -> None:
    table = new_table()
    server = EmbeddedPostgres(used_dir)
    with server:
        server.psql(f"CREATE TABLE {table} AS SELECT 42 AS n", "evently")
        os.kill(server.pid, signal.SIGKILL)
        wait_for_end(server.pid)
        assert not server.running

    with server:
        assert server.psql(f"SELECT n FROM {table}", "evently").strip() == "42"


def test_a_second_start_is_refused_and_names_the_first(used_dir: Path) -> None:
    with owner_of(used_dir) as owner:
        pid = server_of(owner)

        with pytest.raises(
            EmbeddedPostgresError, match=rf"in use by the service with process id {owner.pid}:"
        ):
            EmbeddedPostgres(used_dir, durable=False).start()

        os.kill(pid, 0)
        assert owner.poll() is None


def test_a_first_start_that_was_killed_is_made_good_by_the_next(data_dir: Path) -> None:
    with owner_of(data_dir) as owner:
        wait_for_file(data_dir, "postgres.unfinished.*/base", owner)
        owner.kill()
        owner.wait()

        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert server.psql("SELECT 1").strip() == "1"
        with EmbeddedPostgres(data_dir, durable=False):
            assert not list(data_dir.glob("postgres.unfinished*"))


def test_a_start_that_fails_tells_the_log_and_gives_the_directory_free(used_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="max_connections"):
        EmbeddedPostgres(used_dir, {"max_connections": "'many'"}, durable=False).start()

    with EmbeddedPostgres(used_dir, durable=False) as server:
        assert server.running


def test_another_process_finds_the_server_while_it_runs(used_dir: Path) -> None:
    assert running_dsn(used_dir) is None
    with EmbeddedPostgres(used_dir, durable=False) as server:
        assert running_dsn(used_dir) == server.dsn()
        assert running_dsn(used_dir, "postgres") == server.dsn("postgres")
    assert running_dsn(used_dir) is None


def test_a_database_is_copied_and_dropped(used_dir: Path) -> None:
    table = new_table()
    with EmbeddedPostgres(used_dir, durable=False) as server:
        server.psql(f"CREATE TABLE {table} AS SELECT 42 AS n", "evently")
        server.create_database('a "copy"', "evently")
        assert server.psql(f"SELECT n FROM {table}", 'a "copy"').strip() == "42"

        server.drop_database('a "copy"')
        server.drop_database('a "copy"')
        assert "copy" not in server.psql("SELECT datname FROM pg_database")


def test_a_data_directory_longer_than_a_sockets_path_works(data_dir: Path) -> None:
    deep = data_dir / ("d" * 100) / ("e" * 100)
    with EmbeddedPostgres(deep, durable=False) as server:
        assert server.psql("SELECT 1").strip() == "1"
        socket_dir = Path(server.psql("SHOW unix_socket_directories").strip())
        assert not socket_dir.is_relative_to(deep)
        assert running_dsn(deep) == server.dsn()

    assert not socket_dir.exists()


def test_a_data_directory_of_odd_characters_works(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir.with_name("it's a 100% #1 dätä?dir"), durable=False) as server:
        assert server.psql("SELECT 1").strip() == "1"


def test_the_socket_is_closed_to_other_users(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, durable=False) as server:
        socket_dir = Path(server.psql("SHOW unix_socket_directories").strip())
        assert socket_dir.stat().st_mode & 0o007 == 0
