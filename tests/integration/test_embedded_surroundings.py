"""What the embedded server may find where it starts: leftovers, other users, odd environments."""

import fcntl
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
    running_dsn,
)
from evently.embedded.data_dir_lock import DataDirLock

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
        Path(made).chmod(0o711)
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


def test_a_lock_of_an_unknown_owner_is_waited_for_no_longer_than_its_bound(
    tmp_path: Path,
) -> None:
    lock = DataDirLock(tmp_path)
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DataDirInUse, match="process id \\?"):
            lock.take(lock_s=0.1)
    lock.take(lock_s=0.0)
    lock.release()


def test_an_orphan_that_stays_is_ended(used_dir: Path) -> None:
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
    with EmbeddedPostgres(used_dir, durable=False, orphan_s=0.0) as server:
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
def test_the_server_runs_as_a_user_who_may_enter_its_folder_and_nothing_else(folder: Path) -> None:
    with EmbeddedPostgres(folder / "data", durable=False) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    groups = next(line for line in status.splitlines() if line.startswith("Groups:"))
    assert "0" not in groups.split()[1:]
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o711


@as_root
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_folder_that_the_servers_user_cannot_pass_is_refused_and_left_closed(
    folder: Path, owner: int
) -> None:
    folder.chmod(0o700)
    os.chown(folder, owner, owner)
    with pytest.raises(EmbeddedPostgresError, match=rf"`chmod o\+x {folder}`"):
        EmbeddedPostgres(folder / "data").start()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (folder / "data" / "postgres").exists()


@as_root
def test_a_data_directory_of_another_user_is_refused(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    os.chown(data, NOBODY, NOBODY)
    with pytest.raises(EmbeddedPostgresError, match=r"belongs to another user \(nobody\)"):
        EmbeddedPostgres(data).start()
    assert not any(data.iterdir())


@as_root
@pytest.mark.parametrize("name", ["evently.conf", "postgresql.conf", "postgresql.auto.conf"])
def test_a_link_among_the_servers_own_files_leads_root_to_nothing(folder: Path, name: str) -> None:
    """The server's user owns its cluster, so whoever acts as that user can put links there."""
    secret = folder / "secret"
    secret.write_text("# root's own\n", encoding="utf-8")
    data = folder / "data"
    with EmbeddedPostgres(data, durable=False):
        pass
    link = data / "postgres" / name
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    with EmbeddedPostgres(data, durable=False) as server:
        assert server.psql("SHOW wal_level").strip() == "logical"
    found = secret.stat()
    assert (found.st_uid, secret.read_text(encoding="utf-8")) == (0, "# root's own\n")


@as_root
def test_a_link_at_the_configuration_is_not_followed(used_dir: Path, folder: Path) -> None:
    config, secret = used_dir / "postgresql.conf", folder / "secret"
    secret.write_text("root's own", encoding="utf-8")
    config.unlink()
    config.symlink_to(secret)
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"symbolic link.*: remove it"):
            EmbeddedPostgres(used_dir, durable=False).start()
    finally:
        config.unlink()
    assert secret.read_text(encoding="utf-8") == "root's own"


def test_what_a_link_leads_to_is_not_read_for_a_message(folder: Path) -> None:
    cluster, secret = folder / "postgres", folder / "secret"
    cluster.mkdir()
    secret.write_text("root's own\n", encoding="utf-8")
    (cluster / "PG_VERSION").symlink_to(secret)
    with pytest.raises(EmbeddedPostgresError, match=r"created by PostgreSQL \?"):
        EmbeddedPostgres(folder).start()


def test_a_cluster_of_a_release_that_wrote_its_configuration_inside_still_starts(
    folder: Path,
) -> None:
    with EmbeddedPostgres(folder, durable=False):
        pass
    own = folder / "postgres" / "postgresql.conf"
    own.write_text(f"{own.read_text()}include 'evently.conf'\n", encoding="utf-8")
    (folder / "postgres" / "evently.conf").write_text(
        "unix_socket_directories = '/nowhere'\nmax_connections = 7\n", encoding="utf-8"
    )
    with EmbeddedPostgres(folder, durable=False) as server:
        assert server.psql("SHOW max_connections").strip() == "100"


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
