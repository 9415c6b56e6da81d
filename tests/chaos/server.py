"""The PostgreSQL of a chaos run: it may be stopped, killed and started again at any time.

Rule: only processes that are this server's own are ever killed, each by its id.
"""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from evently.embedded import PORT, EmbeddedPostgres, EmbeddedPostgresError

DATABASE = "chaos"
# So few that idle connections can take all of them; none is kept for a superuser.
CONNECTIONS_MAX = 40
CONFIG: Mapping[str, str] = {
    "max_connections": f"{CONNECTIONS_MAX}",
    "superuser_reserved_connections": "0",
    "shared_buffers": "'32MB'",
}
GONE_S = 10.0
# A crashed server flushes all of its files first, on a disk that others use as well.
RECOVERED_S = 60.0
POLL_S = 0.005


def socket_of(server: EmbeddedPostgres) -> Path:
    """The Unix socket that a server listens on."""
    assert server._socket_dir is not None, "the server is not started"
    return server._socket_dir / f".s.PGSQL.{PORT}"


class Server(EmbeddedPostgres):
    """An embedded server with ways to end it badly."""

    def __init__(self, folder: Path, config: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, {**CONFIG, **(config or {})})

    @property
    def log_path(self) -> Path:
        """What it has written."""
        return self._log

    def end(self, sent: signal.Signals) -> None:
        """End the server with this signal (SIGQUIT stops it at once), and wait until it is gone."""
        os.kill(self.pid, sent)
        deadline_s = time.monotonic() + GONE_S
        while self.running:
            assert time.monotonic() < deadline_s, "the server does not end"
            time.sleep(POLL_S)

    def wait_until_it_answers(self) -> None:
        """Wait until it takes connections again."""
        deadline_s = time.monotonic() + RECOVERED_S
        while True:
            try:
                self.psql("SELECT 1")
            except EmbeddedPostgresError:
                assert time.monotonic() < deadline_s, "the server does not recover"
                time.sleep(POLL_S)
                continue
            return

    def backends(self) -> list[int]:
        """The processes that serve the service's connections."""
        rows = self.psql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'evently%' ORDER BY pid"
        )
        return [int(line) for line in rows.split()]

    def kill_backend(self, pid: int) -> None:
        """Kill one of its processes; the server then ends all others and recovers."""
        with suppress(OSError):
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            # The second field is a name in brackets, which may hold anything.
            parent = int(status.rpartition(")")[2].split()[1])
            if parent == self.pid:
                os.kill(pid, signal.SIGKILL)

    def terminate_backends(self) -> int:
        """Have the server close the service's connections; how many there were."""
        rows = self.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'evently%'"
        )
        return len(rows.split())
