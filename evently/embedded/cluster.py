"""The cluster: the files of a server's databases, and its configuration.

Rules:

1. A cluster is created completely under another name and then renamed, so a partial one is never
   found.
2. We write only where the server's user cannot: the configuration stands beside the cluster, which
   belongs to that user. Whatever it may have put there, a link included, we neither follow nor own.
"""

import os
import pwd
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from evently.embedded.errors import EmbeddedPostgresError
from evently.embedded.postmaster import line
from evently.embedded.programs import release, run_program
from evently.embedded.system_user import give
from evently.embedded.unix_socket import PORT

FOLDER = "postgres"
UNFINISHED = "postgres.unfinished."
CONFIG_FILE = "postgresql.conf"
CONFIG: Mapping[str, str] = {
    "listen_addresses": "''",
    "port": f"{PORT}",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "'128MB'",
    "wal_level": "logical",
    "max_wal_size": "'2GB'",
    # Creating a WAL file delays every commit by 20 to 50 ms, once a second or two during a burst:
    # keep the existing files for the next one.
    "min_wal_size": "'1GB'",
    # A consumer that never comes back must not fill the disk.
    "max_slot_wal_keep_size": "'4GB'",
    # Asked for after a restore only, and then for nothing: a backup holds all the WAL it needs.
    "restore_command": "'/bin/false'",
    # Ready means that it takes writes, so not before the recovery after a restore has ended.
    "hot_standby": "off",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}
# For tests, which need only speed; a service on such a database is never ready.
NOT_DURABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
# The same sort order and case rules on every machine, whatever its locales.
INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
# A first start writes 46 MB; this omits the 16 MB that are only zeros.
INITDB_NOT_DURABLE = ("--no-sync", "--set=wal_init_zero=off")


def has_cluster(data_dir: Path) -> bool:
    """Whether a server has been made in a data directory."""
    return (data_dir / FOLDER).exists()


class Cluster:
    """The cluster of a data directory, at `path`; `config` adds to or overrides CONFIG."""

    def __init__(self, root: Path, config: Mapping[str, str] | None, *, durable: bool) -> None:
        self.path = root / FOLDER
        self.config_path = root / CONFIG_FILE
        self._root = root
        self._durable = durable
        self._config = {**CONFIG, **({} if durable else NOT_DURABLE), **(config or {})}

    def make(self, user: pwd.struct_passwd | None) -> None:
        """Create it for `user` if it does not exist. Raises EmbeddedPostgresError."""
        for abandoned in self._root.glob(f"{UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if self.path.exists():
            check_release(self.path)
            return
        # A unique name: the initdb of a killed service may still be writing to an earlier one.
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._root))
        give(unfinished, user)
        speed = () if self._durable else INITDB_NOT_DURABLE
        run_program(user, "initdb", "-D", str(unfinished), *INITDB_OPTIONS, *speed)
        unfinished.rename(self.path)

    def configure(self, socket_dir: Path) -> None:
        """Write the configuration for the next start; the server will listen in `socket_dir`.

        The cluster's own file, which holds what initdb chose, is read before it.
        """
        config = {**self._config, "unix_socket_directories": f"'{_quoted(socket_dir)}'"}
        own = f"include '{_quoted(self.path / CONFIG_FILE)}'\n"
        lines = [own, *(f"{name} = {value}\n" for name, value in config.items())]
        how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(self.config_path, how, 0o644), "w", encoding="utf-8") as file:
                # The server's user reads it, whatever our umask.
                os.fchmod(file.fileno(), 0o644)
                file.writelines(lines)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"{self.config_path} cannot be written ({error.strerror}): remove it; it is "
                "written anew at every start"
            ) from error


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def check_release(cluster: Path) -> None:
    """Raise EmbeddedPostgresError unless this release's server can use the files of `cluster`."""
    ours = release()
    theirs = line(cluster / "PG_VERSION", 0)
    if theirs != ours:
        raise EmbeddedPostgresError(
            f"{cluster} was created by PostgreSQL {theirs or '?'}, and this is {ours}: move the "
            "data with pg_dump of the older release, or set EVENTLY_DATA_DIR to a new directory"
        )
