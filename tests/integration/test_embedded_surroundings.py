"""What the embedded server may find where it starts: leftovers, other users, odd environments."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from evently.embedded import (
    DataDirInUse,
    EmbeddedPostgres,
    EmbeddedPostgresError,
    postmaster,
    running_dsn,
)

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
# An owner whose server the kernel does not tell of its end, as where there is no prctl.
DEAF_OWNER = """
import sys
from pathlib import Path
from evently.embedded import embedded_postgres
embedded_postgres._die_with_parent = lambda: None
server = embedded_postgres.EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""
NORMAL_USER = f"""
import os, sys
from pathlib import Path
from evently.embedded import EmbeddedPostgres, programs
programs.binaries()
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.psql("SELECT 'answered'"))
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as made:
        yield Path(made)


async def test_its_url_is_taken_whatever_the_environment_says_of_postgresql(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGSSLMODE", "require")
    connection = await asyncpg.connect(postgres.dsn())
    assert await connection.fetchval("SELECT current_database()") == "evently"
    await connection.close()


def test_it_starts_whatever_the_environment_says_of_postgresql(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {"PGPORT": "1", "PGUSER": "me", "PGDATA": "/nowhere", "LC_ALL": "x"}.items():
        monkeypatch.setenv(name, text)
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.psql("SHOW port").strip() == "5432"


def test_text_folds_the_same_on_every_machine(postgres: EmbeddedPostgres) -> None:
    assert postgres.psql("SELECT lower('ÅRHUS')").strip() == "århus"


def test_starting_and_stopping_twice_is_doing_it_once(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, durable=False) as server:
        pid = server.pid
        server.start()
        assert server.pid == pid
    server.stop()
    assert "stopped" in repr(server)


def test_a_directory_in_use_is_told_from_other_failures(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, durable=False) as server:
        with pytest.raises(DataDirInUse, match=f"process id {os.getpid()}"):
            EmbeddedPostgres(used_dir, durable=False).start()
        assert server.psql("SELECT 1").strip() == "1"


def test_an_orphan_that_stays_is_ended(used_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmaster, "ORPHAN_S", 0.0)
    with subprocess.Popen(
        [sys.executable, "-c", DEAF_OWNER, str(used_dir)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        orphan = int(owner.stdout.readline())
        owner.kill()
    assert running_dsn(used_dir) is not None
    with EmbeddedPostgres(used_dir, durable=False) as server:
        assert server.pid != orphan
        assert server.psql("SELECT 1").strip() == "1"


def test_a_stale_process_id_that_is_somebody_elses_is_no_obstacle(used_dir: Path) -> None:
    with EmbeddedPostgres(used_dir, durable=False):
        pass
    left = f"{os.getpid()}\n{used_dir}/postgres\n1\n5432\n{used_dir}/socket\n\n0 0\nready\n"
    (used_dir / "postgres" / "postmaster.pid").write_text(left, encoding="utf-8")
    assert running_dsn(used_dir) is None
    with EmbeddedPostgres(used_dir, durable=False) as server:
        assert server.running


def test_a_server_that_was_killed_in_service_starts_again(used_dir: Path) -> None:
    table = f"notes_{uuid4().hex}"
    server = EmbeddedPostgres(used_dir)
    with server:
        server.psql(f"CREATE TABLE {table} AS SELECT 'kept' AS note", "evently")
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        assert not server.running
        server.start()
        assert server.psql(f"SELECT note FROM {table}", "evently").strip() == "kept"


def test_a_process_that_a_killed_server_left_is_waited_for(
    used_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(used_dir, durable=False)
    launches: list[int] = []
    launch = EmbeddedPostgres._launch

    def let_go_at_the_second(self: EmbeddedPostgres) -> None:
        launches.append(left)
        if len(launches) == 2:
            os.kill(left, signal.SIGCONT)
        launch(self)

    with server:
        left = int(server.psql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"))
        os.kill(left, signal.SIGSTOP)
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        monkeypatch.setattr(EmbeddedPostgres, "_launch", let_go_at_the_second)
        server.start()
        assert len(launches) >= 2
        assert server.psql("SELECT 1").strip() == "1"


def test_a_cluster_of_another_release_is_left_alone(folder: Path) -> None:
    cluster = folder / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text("14\n", encoding="utf-8")
    with pytest.raises(EmbeddedPostgresError, match="created by PostgreSQL 14"):
        EmbeddedPostgres(folder).start()
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


def test_a_directory_that_cannot_be_made_is_said_so(folder: Path) -> None:
    (folder / "file").write_text("", encoding="utf-8")
    with pytest.raises(EmbeddedPostgresError, match="set EVENTLY_DATA_DIR"):
        EmbeddedPostgres(folder / "file" / "data").start()


@as_root
def test_the_way_for_the_system_user_is_opened_no_further_than_needed(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with EmbeddedPostgres(folder / "data", durable=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    groups = next(line for line in status.splitlines() if line.startswith("Groups:"))
    assert "0" not in groups.split()[1:]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o701
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o711


@as_root
def test_somebody_elses_home_is_not_opened(folder: Path) -> None:
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(EmbeddedPostgresError, match="run the service as the owner"):
        EmbeddedPostgres(folder / "data").start()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@as_root
def test_a_normal_user_needs_no_system_user(folder: Path, postgres: EmbeddedPostgres) -> None:
    assert postgres.running, "it has opened the way to the programs"
    folder.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", NORMAL_USER, str(folder / "data")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "answered", done.stderr
    data = (folder / "data").stat()
    assert (stat.S_IMODE(data.st_mode), data.st_uid) == (0o700, NOBODY)
