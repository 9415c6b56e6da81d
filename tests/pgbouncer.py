"""A real PgBouncer between the service and a server, and certificates for it.

Rule: only the process that was started here is ended, by its id.
"""

import os
import pwd
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from evently.embedded import EmbeddedPostgres
from evently.embedded.programs import identity
from evently.embedded.system_user import SYSTEM_USER
from evently.embedded.unix_socket import PORT
from tests.chaos.server import socket_of
from tests.surroundings import free_port, program

READY_S = 10.0
# What docs/operations.md has an operator write; a test compares the two.
START_UP_PARAMETERS = (
    "statement_timeout, lock_timeout, idle_in_transaction_session_timeout, tcp_user_timeout, jit, "
    "plan_cache_mode, enable_seqscan, max_parallel_workers_per_gather, "
    "default_transaction_read_only"
)
CONFIG = """\
[databases]
* = host={socket_dir} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
ignore_startup_parameters = {ignored}
{more}
"""

_NEW = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
_AUTHORITY = "-subj /CN=Authority -keyout ca.key -out ca.crt"
_SERVER = (
    "-subj /CN=localhost -addext subjectAltName=DNS:localhost -CA ca.crt -CAkey ca.key "
    "-keyout server.key -out server.crt"
)


def release() -> tuple[int, int]:
    """PgBouncer's version."""
    said = subprocess.run(
        [program("pgbouncer", "pgbouncer"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


@contextmanager
def pgbouncer(server: EmbeddedPostgres, settings: Mapping[str, str]) -> Iterator[int]:
    """Run one in front of `server` while the context lasts; its port on 127.0.0.1."""
    with tempfile.TemporaryDirectory(prefix="evently-pgbouncer-") as folder:
        Path(folder).chmod(0o711)
        port = free_port()
        config, log = Path(folder) / "pgbouncer.ini", Path(folder) / "log"
        more = "\n".join(f"{name} = {text}" for name, text in settings.items())
        config.write_text(
            CONFIG.format(
                socket_dir=socket_of(server).parent,
                port=PORT,
                listen_port=port,
                ignored=START_UP_PARAMETERS,
                more=more,
            ),
            encoding="utf-8",
        )
        command = [program("pgbouncer", "pgbouncer"), str(config)]
        # It does not run as root; the server's user may open the server's socket.
        user = pwd.getpwnam(SYSTEM_USER) if os.geteuid() == 0 else None
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, **identity(user))
        try:
            _until_ready(process, log)
            yield port
        finally:
            process.kill()
            process.wait()


@contextmanager
def certificates() -> Iterator[Path]:
    """A folder with `ca.crt`, and with `server.crt` and `server.key` for localhost."""
    with tempfile.TemporaryDirectory(prefix="evently-tls-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        openssl = program("openssl", "openssl")
        for arguments in _AUTHORITY, _SERVER:
            command = [openssl, *_NEW.split(), *arguments.split()]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
        for file in folder.iterdir():
            file.chmod(0o644)
        yield folder


def _until_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + READY_S
    while "process up" not in log.read_text(encoding="utf-8"):
        assert process.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < deadline_s, "PgBouncer does not start"
        time.sleep(0.01)
