"""The processes of a service: how they are started, signalled, counted and ended, and their log.

Rule: stopping a service proves that it went well: exit code 0, no traceback in its log, none of its
processes left.
"""

import http.client
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.until import POLL_S

ROOT = Path(__file__).parents[2]
INTERNAL_KEY = "acceptance-0123456789abcdef"
JWT_SECRET = "Q7w9Zt4kLm2Xv8Rb1Nc6Yp3Hd5Jf0Gs-acceptance"
# The supervisor's own grace, and some.
STOP_S = 20.0
# Four workers import for seconds on a busy machine with two processors.
START_S = 60.0
PROBE_S = 5.0
LOG_TAIL_CHARACTERS = 6000

_BANNER = re.compile(r"Evently Event Service +http://127\.0\.0\.1:([0-9]+)")
_INDEX = re.compile(r"--index=([0-9]+)")


class ServiceProcess:
    """`python -m evently serve` with its workers, in a session of its own."""

    def __init__(
        self,
        database_url: str | None,
        workers: int,
        *,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.workers = workers
        self.tolerated: list[str] = []
        self._database_url = database_url
        self._data_dir = data_dir
        self._settings = dict(settings or {})
        self._popen: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._folder = tempfile.TemporaryDirectory(prefix="evently-service-")
        self._log = Path(self._folder.name) / "log"
        self._log.touch()

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._popen is not None, "the service was never started"
        return self._popen.pid

    @property
    def port(self) -> int:
        """The public port; the same after a restart."""
        return self._port

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> float:
        """Start it and wait until it is ready; the seconds that took."""
        started_s = time.monotonic()
        self.begin()
        self._wait(lambda: self.probe("/health/ready") == http.HTTPStatus.OK, "readiness")
        return time.monotonic() - started_s

    def begin(self) -> None:
        """Start it and wait until its workers answer, ready or not."""
        seen = len(self.log())
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                [
                    *(sys.executable, "-m", "evently", "serve", "--host", "127.0.0.1"),
                    *("--port", str(self._port), "--workers", str(self.workers)),
                ],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._port = self._announced(seen)

    def environment(self) -> dict[str, str]:
        """What the service and its commands are started with."""
        environ = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(("EVENTLY_", "OTEL_"))
        }
        environ["EVENTLY_LOG_FORMAT"] = "text"
        # aiohttp reads the certificates of the system when it is imported, a fifth of the time that
        # a worker takes to start; no service here calls one whose certificate they would vouch for.
        environ["SSL_CERT_FILE"] = os.devnull
        # What one that is killed leaves behind goes with the test.
        environ["TMPDIR"] = self._folder.name
        if self._database_url is not None:
            environ["EVENTLY_DATABASE_URL"] = self._database_url
        if self._data_dir is not None:
            environ["EVENTLY_DATA_DIR"] = str(self._data_dir)
        environ["EVENTLY_INTERNAL_API_KEYS"] = f"acceptance:{INTERNAL_KEY}"
        environ["EVENTLY_JWT_SECRET"] = JWT_SECRET
        return environ | self._settings

    def stop(self) -> None:
        """Stop it as an operator does. Raises AssertionError where that is not clean."""
        self.terminate()
        self.wait_stopped()

    def terminate(self) -> None:
        """Ask the supervisor to stop."""
        assert self._popen is not None, "the service was never started"
        self._popen.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> None:
        """Wait for the end after `terminate`, and check that it was clean."""
        code = self.wait_ended()
        assert code == 0, f"exit code {code}"
        self.assert_gone()
        self.assert_no_traceback()

    @property
    def ended(self) -> int | None:
        """The supervisor's exit code; None while it runs."""
        return None if self._popen is None else self._popen.poll()

    def wait_ended(self) -> int:
        """Wait for the supervisor's end; its exit code."""
        assert self._popen is not None, "the service was never started"
        return self._popen.wait(STOP_S)

    def assert_gone(self, within_s: float = 0.0) -> None:
        """Check that no process of the service is left, and nobody listens on its port."""
        self._wait(lambda: not self.processes(), "the end of every process", within_s)
        assert self.probe("/healthz") is None, "somebody still answers on the port"

    def kill(self) -> None:
        """End every process of it at once."""
        assert self._popen is not None, "the service was never started"
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def kill_supervisor(self) -> None:
        """End the supervisor at once, and nothing else."""
        assert self._popen is not None, "the service was never started"
        self._popen.kill()
        self._popen.wait()

    def roll(self) -> None:
        """Have the workers replaced one by one."""
        os.kill(self.pid, signal.SIGHUP)

    def discard(self) -> None:
        """Whatever became of it: leave no process and no file behind."""
        if self._popen is not None:
            self.kill()
        self._folder.cleanup()

    def processes(self) -> dict[int, str]:
        """The command lines of its live processes, the embedded PostgreSQL's too, by id."""
        assert self._popen is not None, "the service was never started"
        found = {}
        for process in _live_processes():
            ours = process.session == self._popen.pid
            if ours or (self._data_dir and str(self._data_dir) in process.command):
                found[process.pid] = process.command
        return found

    def worker_pids(self) -> dict[int, int]:
        """The newest process of each worker, by the worker's index."""
        found: dict[int, tuple[int, int]] = {}
        for process in _live_processes():
            index = _INDEX.search(process.command)
            if process.parent != self.pid or index is None:
                continue
            place = int(index[1])
            found[place] = max(found.get(place, (0, 0)), (process.started, process.pid))
        return {place: pid for place, (_, pid) in sorted(found.items())}

    def probe(self, path: str) -> int | None:
        """The status of a GET on a connection of its own; None where there was no answer."""
        found = self._probe(path)
        return found[0] if found else None

    def probe_text(self, path: str) -> str | None:
        """The body of a GET on a connection of its own; None where there was no answer."""
        found = self._probe(path)
        return found[1].decode() if found else None

    def _probe(self, path: str) -> tuple[int, bytes] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PROBE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _announced(self, seen: int) -> int:
        def banner() -> re.Match[str] | None:
            return _BANNER.search(self.log()[seen:])

        self._wait(lambda: banner() is not None, "the banner")
        found = banner()
        assert found is not None
        return int(found[1])

    def _wait(self, fact: Callable[[], bool], what: str, within_s: float = START_S) -> None:
        assert self._popen is not None, "the service was never started"
        deadline_s = time.monotonic() + within_s
        while not fact():
            problem = None
            if within_s == START_S and self._popen.poll() is not None:
                problem = f"the service ended with {self._popen.returncode} before {what}"
            elif time.monotonic() > deadline_s:
                problem = f"{what} did not come; there are {self.processes()}"
            assert problem is None, f"{problem}\n{self.log_tail()}"
            time.sleep(POLL_S)

    def log(self) -> str:
        """All that it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """The last of what it has written, for a test that failed."""
        return self.log()[-LOG_TAIL_CHARACTERS:] if self._log.exists() else "(gone)"

    def assert_no_traceback(self, since: int = 0) -> None:
        """Check that no bug showed in the log, but for what a test tolerates."""
        text = self.log()[since:]
        for tolerated in self.tolerated:
            text = text.replace(tolerated, "")
        assert "Traceback (most recent call last)" not in text, f"the log has a traceback:\n{text}"

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of `evently` with the service's settings."""
        return subprocess.run(
            [sys.executable, "-m", "evently", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def verify(self) -> None:
        """Check with `evently verify` that every event is what its ledger says."""
        done = self.run("verify")
        assert done.returncode == 0, f"verify: {done.stdout}{done.stderr}"


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    session: int
    started: int
    command: str


def _live_processes() -> Iterator[_Process]:
    """Every process of this machine that is no zombie, as Linux tells it under /proc."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The second field is a name in brackets, which may hold anything.
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, UnicodeDecodeError):
            continue
        state, parent, _, session = stat[:4]
        if state not in "ZX":
            yield _Process(int(folder.name), int(parent), int(session), int(stat[19]), command)
