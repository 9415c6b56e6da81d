"""Starts, queries and stops the embedded server.

Rule: the server is a child of the process that started it, and stops when that process ends,
however it ends. What it needs on the machine is prepared first, in the order of `start`.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from evently.embedded.cluster import FOLDER, Cluster
from evently.embedded.data_dir_lock import DataDirLock
from evently.embedded.errors import EmbeddedPostgresError
from evently.embedded.postmaster import ORPHAN_S, POLL_S, Postmaster, end
from evently.embedded.programs import binaries, identity, run_program
from evently.embedded.system_user import give, make_data_dir, server_user
from evently.embedded.unix_socket import DATABASE, dsn_of, make_socket_dir

# A start after a crash replays WAL; if it takes longer than this, something is wrong.
START_S = 60.0
# The processes of a killed server end as fast as the server of a killed service.
LINGER_S = 5.0
LOG_TAIL_LINES = 15
# PostgreSQL logs this and exits while processes of an earlier server still use its memory.
LINGERING = "pre-existing shared memory block"
# Enough to see what happened before the last start.
LOG_BYTES_MAX = 10_000_000

_PR_SET_PDEATHSIG = 1


class EmbeddedPostgres:
    """One server for one data directory. Use it as a context manager, or call `start` and `stop`.

    `config` adds to or overrides CONFIG, with values as in postgresql.conf. With `durable=False`,
    which is for tests, a crash of the machine may lose or corrupt the data.
    """

    def __init__(
        self,
        data_dir: Path,
        config: Mapping[str, str] | None = None,
        *,
        durable: bool = True,
        orphan_s: float = ORPHAN_S,
    ) -> None:
        self._orphan_s = orphan_s
        self._root = data_dir.absolute()
        self._cluster = Cluster(self._root, config, durable=durable)
        self._postmaster = Postmaster(self._cluster.path)
        self._lock = DataDirLock(self._root)
        self._log = self._root / "postgres.log"
        self._user: pwd.struct_passwd | None = None
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        state = f"pid {self.pid}" if self.running else "stopped"
        return f"<EmbeddedPostgres {self._root} {state}>"

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server is not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.poll() is None

    def dsn(self, database: str = DATABASE) -> str:
        """The URL of a database on this server."""
        assert self._socket_dir is not None, "the server is not started"
        return dsn_of(self._socket_dir, database)

    def start(self) -> None:
        """Start the server and wait until it answers. Raises EmbeddedPostgresError.

        Call it from the main thread: the kernel stops the server when the thread that started it
        ends.
        """
        assert threading.current_thread() is threading.main_thread(), "see start's docstring"
        if self.running:
            return
        try:
            make_data_dir(self._root)
            self._lock.take()
            self._user = server_user(self._root)
            self._postmaster.end_orphan(self._orphan_s)
            self._cluster.make(self._user)
            self._socket_dir = make_socket_dir(self._root)
            give(self._socket_dir, self._user)
            self._cluster.configure(self._socket_dir)
            self._bring_up()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    @property
    def ready(self) -> bool:
        """Whether the server says that it accepts connections."""
        return self.running and self._postmaster.is_ready(self.pid)

    def relaunch(self) -> None:
        """Start the process of a server that has died, without waiting until it is ready.

        Call it from the main thread, as `start`. Raises OSError.
        """
        assert threading.current_thread() is threading.main_thread(), "see start's docstring"
        assert self._process is not None, "the server is not started"
        assert not self.running, "the server is alive"
        # The dead server's: another process may have its id by now.
        self._postmaster.forget()
        self._launch()

    def last_words(self) -> str:
        """How the process ended, and the end of the server's log, for an operator."""
        assert self._process is not None, "the server is not started"
        return f"exit code {self._process.returncode}, the end of {self._log}:\n{self._log_tail()}"

    def stop(self) -> None:
        """Stop the server: fast, then immediately, then by SIGKILL. The data stays."""
        process, self._process = self._process, None
        if process is not None:
            end(process)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        self._lock.release()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's own programs as the server's user; its output."""
        return run_program(self._user, program, *arguments)

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run `sql` outside a transaction; the result, one row a line."""
        options = ("--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self.run("psql", *options, "-d", self.dsn(database), "-c", sql)

    def create_database(self, name: str, template: str = "template1") -> None:
        """Make the database `name` as a copy of `template`, which must have no connections."""
        # Measured with fsync on: WAL_LOG 23 ms, FILE_COPY (which checkpoints) 63 ms.
        copy = f"TEMPLATE {_identifier(template)} STRATEGY wal_log"
        self.psql(f"CREATE DATABASE {_identifier(name)} {copy}")

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if it exists, even while it has connections."""
        self.psql(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")

    def _bring_up(self) -> None:
        """Launch the server; retry while processes of a killed server are still there."""
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        deadline_s = time.monotonic() + LINGER_S
        while True:
            self._launch()
            try:
                return self._wait_until_ready()
            except EmbeddedPostgresError:
                # The end of its log: this line, a hint, and that it is shut down.
                lingering = not self.running and LINGERING in self._log_tail(3)
                if not lingering or time.monotonic() > deadline_s:
                    raise
            time.sleep(POLL_S)

    def _launch(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and arguments
                [
                    *(str(binaries() / "postgres"), "-D", str(self._cluster.path)),
                    *("-c", f"config_file={self._cluster.config_path}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # In a session of its own, so that Ctrl-C in a terminal does not reach it directly.
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - it makes two system calls
                **identity(self._user),
            )

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_S
        while not self.ready:
            if not self.running:
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{self._log_tail()}")
            if time.monotonic() > deadline_s:
                raise EmbeddedPostgresError(
                    f"PostgreSQL was not ready within {START_S:.0f} s:\n{self._log_tail()}"
                )
            time.sleep(POLL_S)

    def _make_database(self) -> None:
        """Create the database; this is also the first proof that the server answers."""
        if DATABASE not in self.psql("SELECT datname FROM pg_database").splitlines():
            self.create_database(DATABASE)

    def _log_tail(self, lines_max: int = LOG_TAIL_LINES) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return f"(no log at {self._log})"
        return "\n".join([*lines[-lines_max:], f"(from {self._log})"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def running_dsn(data_dir: Path, database: str = DATABASE) -> str | None:
    """The URL of a database on the server that another process runs on `data_dir`, or None."""
    postmaster = Postmaster(data_dir.absolute() / FOLDER)
    pid = postmaster.pid
    if pid is None or not postmaster.is_ready(pid):
        return None
    socket_dir = postmaster.socket_dir
    return dsn_of(socket_dir, database) if socket_dir else None


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux, let the kernel send the server a fast shutdown when its parent ends."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel
