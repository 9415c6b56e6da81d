"""`backup`, `restore` and `psql` on a data directory, without a service."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from db.migrate import migrations
from evently.cli import main
from evently.embedded import EmbeddedPostgres
from evently.settings import load_settings


def run(data_dir: Path, *arguments: str | Path) -> Result:
    environ = {"EVENTLY_DATA_DIR": str(data_dir), "EVENTLY_DATABASE_URL": ""}
    return CliRunner(env=environ).invoke(main, [str(argument) for argument in arguments])


def succeed(data_dir: Path, *arguments: str | Path) -> str:
    result = run(data_dir, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def original() -> Iterator[Path]:
    """A folder with a data directory, which has keys, and with a backup of it."""
    with tempfile.TemporaryDirectory(prefix="evently-backup-") as made:
        path = Path(made)
        path.chmod(0o711)
        load_settings({"EVENTLY_DATA_DIR": str(path / "data")})
        succeed(path / "data", "migrate")
        succeed(path / "data", "backup", path / "backup")
        yield path


@pytest.fixture
def folder(original: Path) -> Iterator[Path]:
    """A copy of that for one test: making a cluster takes seconds."""
    with tempfile.TemporaryDirectory(prefix="evently-backup-") as made:
        Path(made).chmod(0o711)
        subprocess.run(["/bin/cp", "-a", f"{original}/.", made], check=True)
        yield Path(made)


@pytest.fixture
def empty() -> Iterator[Path]:
    """A folder without anything."""
    with tempfile.TemporaryDirectory(prefix="evently-backup-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def data(folder: Path) -> Path:
    """The copy's data directory."""
    return folder / "data"


def timeline(data_dir: Path) -> int:
    with EmbeddedPostgres(data_dir) as server:
        return int(server.psql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"), 16)


def venues(data_dir: Path) -> int:
    with EmbeddedPostgres(data_dir) as server:
        return int(server.psql("SELECT count(*) FROM venues", "evently"))


def test_what_was_backed_up_is_restored_elsewhere_with_its_keys(folder: Path, data: Path) -> None:
    succeed(data, "seed")
    assert "MB, checked" in succeed(data, "backup", folder / "backups" / "one")

    copy = folder / "copy"
    succeed(copy, "restore", folder / "backups" / "one")

    assert venues(copy) == venues(data) > 0
    assert (copy / "secrets.env").read_bytes() == (data / "secrets.env").read_bytes()
    for path in (copy, folder / "backups" / "one"):
        assert (path / "secrets.env").stat().st_mode & 0o077 == 0
    assert (folder / "backups" / "one").stat().st_mode & 0o077 == 0
    assert "every event equals its ledger" in succeed(copy, "verify")


def test_every_restore_begins_a_history_of_its_own(folder: Path, data: Path) -> None:
    before = timeline(data)
    succeed(data, "restore", folder / "backup", "--replace")
    assert timeline(data) == before + 1
    # No longer than for the first start.
    assert timeline(data) == before + 1


def test_a_present_database_is_replaced_only_on_request_and_kept(folder: Path, data: Path) -> None:
    succeed(data, "seed")
    keys = (data / "secrets.env").read_bytes()

    refused = run(data, "restore", folder / "backup")
    assert refused.exit_code == 1
    assert "use --replace" in refused.stderr
    assert venues(data) > 0

    (data / "secrets.env").write_bytes(keys + b"\n")
    said = succeed(data, "restore", folder / "backup", "--replace")
    assert venues(data) == 0
    assert (data / "secrets.env").read_bytes() == keys + b"\n"
    (former,) = data.glob("postgres.replaced.*")
    assert f"the replaced database is {former}" in said

    (data / "postgres").rename(data / "aside")
    former.rename(data / "postgres")
    assert venues(data) > 0


def test_a_backup_that_was_damaged_is_refused_and_nothing_changes(folder: Path, data: Path) -> None:
    files = (folder / "backup" / "postgres" / "base").rglob("*")
    largest = max(files, key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(largest.stat().st_size // 2)
        file.write(b"damage")
    before = sorted(path.name for path in data.iterdir())

    result = run(data, "restore", folder / "backup", "--replace")

    assert result.exit_code == 1
    assert "pg_verifybackup failed" in result.stderr
    assert sorted(path.name for path in data.iterdir()) == before
    assert "every event equals its ledger" in succeed(data, "verify")


def test_a_folder_that_is_no_backup_is_refused(folder: Path, data: Path) -> None:
    for source in (folder / "none", data):
        result = run(data, "restore", source, "--replace")
        assert result.exit_code == 1
        assert "is no backup" in result.stderr


def test_a_backup_of_another_release_is_refused(folder: Path, data: Path) -> None:
    (folder / "backup" / "postgres" / "PG_VERSION").write_text("14\n", encoding="utf-8")
    result = run(data, "restore", folder / "backup", "--replace")
    assert result.exit_code == 1
    assert "created by PostgreSQL 14" in result.stderr


def test_a_directory_in_use_is_not_restored(folder: Path, data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        result = run(data, "restore", folder / "backup", "--replace")
        assert result.exit_code == 1
        assert "is in use by the service" in result.stderr
        assert server.running


def test_a_backup_never_overwrites_and_a_failed_one_leaves_nothing(
    folder: Path, data: Path
) -> None:
    result = run(data, "backup", folder / "backup")
    assert result.exit_code == 1
    assert "exists: name a new directory" in result.stderr

    # No process for replication is left for a backup.
    with EmbeddedPostgres(data, {"max_wal_senders": "0", "wal_level": "replica"}):
        result = run(data, "backup", folder / "failed")
    assert result.exit_code == 1
    assert "pg_basebackup failed" in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["backup", "data"]


@pytest.mark.parametrize("command", [("backup", "x"), ("restore", "x"), ("psql",)])
def test_a_database_of_ones_own_has_tools_of_its_own(command: tuple[str, ...]) -> None:
    environ = {"EVENTLY_DATABASE_URL": "postgresql://me:secret@db.internal/sold"}
    result = CliRunner(env=environ).invoke(main, command)
    assert result.exit_code == 1
    assert "use that server's own tools" in result.stderr


def test_psql_passes_arguments_and_exit_codes(
    data: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATABASE", "nowhere")
    capfd.readouterr()
    count = "SELECT count(*) FROM schema_migrations"
    assert run(data, "psql", "-XqAt", "-c", count).exit_code == 0
    assert capfd.readouterr().out.strip() == str(len(migrations()))
    assert run(data, "psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", "nonsense").exit_code == 1
    assert "syntax error" in capfd.readouterr().err


# Which database, and who may make one

NEW = [("verify",), ("admin", "list"), ("backup", "x"), ("psql", "-c", "SELECT 1")]


@pytest.mark.parametrize("command", NEW, ids=lambda command: command[0])
def test_a_command_in_the_wrong_folder_makes_nothing_and_says_so(
    empty: Path, command: tuple[str, ...]
) -> None:
    result = run(empty / "wrong", *command)
    assert result.exit_code == 1
    assert f"there is no database in {empty / 'wrong'}: set EVENTLY_DATA_DIR" in result.stderr
    assert not (empty / "wrong").exists()


@pytest.mark.parametrize("command", ["migrate", "seed"])
def test_a_command_that_may_make_a_database_does(empty: Path, command: str) -> None:
    result = run(empty / "new", command)
    assert result.exit_code == 0, result.output
    assert f"database: embedded, in {empty / 'new'}\n" in result.stderr
    assert (empty / "new" / "postgres").exists()
    # Keys are for a service, which makes them at its own first start.
    assert not (empty / "new" / "secrets.env").exists()


def test_a_command_says_which_database_it_uses_and_never_the_password(database_url: str) -> None:
    url = f"{database_url}&password=secret".replace("postgres@", "postgres:secret@")
    result = CliRunner(env={"EVENTLY_DATABASE_URL": url}).invoke(main, ["verify"])
    assert result.exit_code == 0, result.output
    assert "database: " in result.stderr
    assert database_url.rpartition("?")[0].rpartition("/")[2] in result.stderr
    assert "secret" not in result.output


def test_a_backup_leaves_a_server_running_that_another_started(folder: Path, data: Path) -> None:
    with EmbeddedPostgres(data) as server:
        succeed(data, "backup", folder / "another")
        assert server.running
