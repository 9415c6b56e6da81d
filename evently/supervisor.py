"""The parent of the workers: starts them, watches them, replaces them, stops them.

Rules:

1. The supervisor holds the listening sockets, one for each worker. A connection that arrives
   while a worker is being replaced waits in the queue of its socket; none is refused.
2. A worker that dies is replaced. One that dies right after its start is replaced after a pause
   that doubles each time; after DEATHS_MAX in a row the whole service exits with code 1.
3. A worker that sends no heartbeat for SILENCE_S is killed, because a paused or stuck worker keeps
   receiving its share of connections.
4. SIGTERM and SIGINT drain the workers within GRACE_S, a second one ends them now. No worker
   outlives the supervisor: its control socket closes.
5. SIGHUP replaces the workers one by one. Each serves until the one that follows it does, and then
   waits longer for slow clients than on SIGTERM; one that dies before that ends the replacing, and
   the others stay.
6. The embedded PostgreSQL is the supervisor's child, the first to start and the last to stop. One
   that dies is restarted; if it dies again and again the whole service exits with code 1.
"""

import errno
import logging
import math
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from evently.embedded import EmbeddedPostgres, EmbeddedPostgresError, ServerWatch
from evently.place import ALIVE_S, BACKLOG, PLACE_VARIABLE, READY, REPLACED, Place
from evently.settings import Settings, SettingsError, load_settings

log = logging.getLogger(__name__)

# The folder that this package was imported from.
_CODE = str(Path(__file__).parents[1])
# Four heartbeats.
SILENCE_S = 4 * ALIVE_S
# A worker takes a second to import and connect, and longer on a busy machine.
START_S = 30.0
# A worker that lived longer than this started well.
SETTLED_S = 10.0
DEATHS_MAX = 8
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 5.0
# Longer than the workers' own time to drain.
GRACE_S = 15.0
# A stop signal often comes twice: from a terminal to its whole group, and from `make` again.
ONCE_S = 1.0
TICK_S = 0.1
# The kernel takes no more bytes of an answer than it has sent, and these. Left to itself it takes
# 2.5 MB for a client that does not read: a thousand of them cost a worker ten seconds of copying.
UNSENT_BYTES_MAX = 128 * 1024
# From the end of a control socket to the end of its process.
EXIT_S = 1.0


class TooManyDeaths(Exception):
    """A worker dies again and again; its log lines say why."""


class CannotListen(Exception):
    """The address is in use or cannot be used; the message says what to do."""


@dataclass(eq=False, slots=True)
class Process:
    """One worker process, as seen over its control socket."""

    popen: "subprocess.Popen[bytes]"
    control: socket.socket
    started_at_s: float
    heard_at_s: float
    ready: bool = False
    retired_at_s: float = math.inf

    @property
    def ended_well(self) -> bool:
        """Whether it drained, or had nothing to drain: not yet, or, if it was replaced, no more.

        As long as there is something, it does not end by the signal itself.
        """
        code, replaced = self.popen.returncode, self.retired_at_s < math.inf
        return code == 0 or (code == -signal.SIGTERM and (replaced or not self.ready))

    def silent_for(self, now_s: float) -> float:
        """Seconds by which its heartbeat is overdue; negative if it is not."""
        allowed_s = SILENCE_S if self.ready else START_S
        return now_s - self.heard_at_s - allowed_s


@dataclass(eq=False, slots=True)
class Slot:
    """The place of one worker, which outlives its processes; `next` is yet to follow `process`."""

    index: int
    listener: socket.socket
    process: Process | None = None
    next: Process | None = None
    deaths: int = 0
    start_at_s: float = 0.0

    @property
    def processes(self) -> list[Process]:
        """Those that run in this place."""
        return [process for process in (self.process, self.next) if process is not None]


class Supervisor:
    """Runs `settings.workers` workers on one port until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        on_ready: Callable[[int], None] | None = None,
        embedded: EmbeddedPostgres | None = None,
    ) -> None:
        self._dsn = dsn
        self._on_ready = on_ready
        self._embedded = ServerWatch(embedded) if embedded is not None else None
        self._slots = [Slot(index, listener) for index, listener in enumerate(_listen(settings))]
        self._retiring: list[Process] = []
        self._rolling: list[Slot] = []
        self._signals: list[int] = []
        self._selector = selectors.DefaultSelector()
        # A signal writes here, which wakes the selector at once.
        self._wake, self._woken = socket.socketpair()
        self._run_dir = Path(tempfile.mkdtemp(prefix="evently-run-"))
        self._watched_at_s = time.monotonic()

    @property
    def port(self) -> int:
        """The public port, even if the settings asked for any free one."""
        port: int = self._slots[0].listener.getsockname()[1]
        return port

    def run(self) -> int:
        """Run until stopped; the exit code."""
        (self._run_dir / "metrics").mkdir()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._signals.append(number))
        try:
            self._supervise()
            return self._stop()
        except (TooManyDeaths, EmbeddedPostgresError) as error:
            log.critical("%s", error)
            self._stop()
            return 1
        finally:
            self._kill_all()
            # Python ends with the default action in place of handlers: one more signal would kill
            # the process then, and hide its exit code.
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            signal.set_wakeup_fd(-1)
            for end in (self._wake, self._woken, *(slot.listener for slot in self._slots)):
                end.close()
            shutil.rmtree(self._run_dir, ignore_errors=True)

    def _supervise(self) -> None:
        """Keep every slot filled until SIGTERM or SIGINT."""
        announced = False
        while True:
            now_s = time.monotonic()
            if self._embedded is not None:
                self._embedded.look()
            for slot in self._slots:
                if slot.process is None and slot.start_at_s <= now_s:
                    slot.process = self._start(slot)
            self._hear()
            self._watch()
            self._roll()
            if not announced and all(_ready(slot) for slot in self._slots):
                announced = True
                if self._on_ready is not None:
                    self._on_ready(self.port)
            while self._signals:
                if self._signals.pop(0) != signal.SIGHUP:
                    return
                self._begin_to_roll()

    def _begin_to_roll(self) -> None:
        """Replace all workers, unless the current settings are invalid."""
        try:
            load_settings()
        except SettingsError as error:
            log.error("the workers are not replaced, because the settings are invalid:\n%s", error)
            return
        log.info("replacing the workers one by one")
        self._rolling = list(self._slots)

    def _start(self, slot: Slot) -> Process:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        place = Place(
            index=slot.index,
            workers=len(self._slots),
            run_dir=str(self._run_dir),
            dsn=self._dsn,
            listener=slot.listener.fileno(),
            control=theirs.fileno(),
        )
        popen = subprocess.Popen(  # noqa: S603 - our own arguments
            # The worker ignores the argument; it shows in process lists which worker this is.
            [sys.executable, "-P", "-m", "evently.worker", f"--index={slot.index}"],
            env={
                **os.environ,
                # The code of this process, whatever the folder that it was started in holds.
                "PYTHONPATH": os.pathsep.join([_CODE, os.environ.get("PYTHONPATH", "")]),
                PLACE_VARIABLE: msgspec.json.encode(place).decode(),
                "PROMETHEUS_MULTIPROC_DIR": str(self._run_dir / "metrics"),
            },
            pass_fds=(place.listener, place.control),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        now_s = time.monotonic()
        process = Process(popen, ours, now_s, now_s)
        self._selector.register(ours, selectors.EVENT_READ, process)
        return process

    def _hear(self) -> None:
        """Read heartbeats, for a tick at most."""
        for key, _ in self._selector.select(TICK_S):
            process: Process | None = key.data
            if process is None:
                self._woken.recv(4096)
                continue
            try:
                said = process.control.recv(4096)
            except OSError:
                said = b""
            if not said:
                self._ended(process)
                continue
            process.heard_at_s = time.monotonic()
            process.ready = process.ready or READY in said

    def _ended(self, process: Process) -> None:
        """Replace a worker that has closed its control socket: it is dead or about to be."""
        self._selector.unregister(process.control)
        process.control.close()
        try:
            code = process.popen.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            code = process.popen.wait()
        self._forget_metrics(process)
        if process in self._retiring:
            self._retiring.remove(process)
            return
        slot = next(slot for slot in self._slots if process in (slot.process, slot.next))
        if process is slot.next:
            log.error(
                "the new worker %d ended with code %s before it served: the old ones stay",
                slot.index,
                code,
            )
            slot.next = None
            self._rolling.clear()
            return
        # One that was to follow does so now.
        slot.process, slot.next = slot.next, None
        now_s = time.monotonic()
        lived_s = now_s - process.started_at_s
        slot.deaths = 1 if lived_s > SETTLED_S else slot.deaths + 1
        log.error("worker %d ended with code %s after %.1f s", slot.index, code, lived_s)
        if slot.deaths >= DEATHS_MAX:
            raise TooManyDeaths(
                f"worker {slot.index} died {slot.deaths} times in a row: shutting down"
            )
        if slot.deaths > 1:
            slot.start_at_s = now_s + min(PAUSE_MIN_S * 2**slot.deaths, PAUSE_MAX_S)

    def _forget_metrics(self, process: Process) -> None:
        """Remove the gauges of a dead worker; its counters stay."""
        for path in (self._run_dir / "metrics").glob(f"gauge_live*_{process.popen.pid}.db"):
            path.unlink(missing_ok=True)

    def _watch(self) -> None:
        """Kill the workers whose heartbeats have stopped."""
        now_s = time.monotonic()
        running = [process for slot in self._slots for process in slot.processes]
        if now_s - self._watched_at_s > SILENCE_S / 2:
            # The supervisor itself was delayed: the workers' heartbeats are yet to be read.
            for process in running:
                process.heard_at_s = now_s
        self._watched_at_s = now_s
        for process in self._retiring:
            if now_s - process.retired_at_s > GRACE_S:
                log.error("killing process %d, which did not stop in time", process.popen.pid)
                process.popen.kill()
        for process in running:
            if process.silent_for(now_s) > 0:
                log.error("killing the silent worker with process id %d", process.popen.pid)
                process.popen.kill()

    def _roll(self) -> None:
        """Start the next worker once all are ready, and retire the old one when that serves."""
        for slot in self._slots:
            if slot.process is not None and slot.next is not None and slot.next.ready:
                slot.process.retired_at_s = time.monotonic()
                self._retiring.append(slot.process)
                slot.process.popen.send_signal(REPLACED)
                slot.process, slot.next = slot.next, None
                slot.deaths = 0
        if self._rolling and all(_ready(slot) for slot in self._slots):
            slot = self._rolling.pop(0)
            slot.next = self._start(slot)

    def _stop(self) -> int:
        """Drain all workers within the grace time, or until another signal; the exit code."""
        log.info("stopping: draining the workers")
        for slot in self._slots:
            # Otherwise connections would wait in the queue until this process ends.
            slot.listener.close()
            self._retiring += slot.processes
            slot.process = slot.next = None
        for process in self._retiring:
            process.popen.terminate()
        deadline_s = time.monotonic() + GRACE_S
        once_s = time.monotonic() + ONCE_S
        stopped = list(self._retiring)
        while self._retiring and not self._signals and time.monotonic() < deadline_s:
            self._hear()
            if time.monotonic() < once_s:
                self._signals.clear()
        if self._retiring:
            log.error("%d workers did not stop in time", len(self._retiring))
            return 1
        return int(not all(process.ended_well for process in stopped))

    def _kill_all(self) -> None:
        left = [process for slot in self._slots for process in slot.processes]
        for process in (*left, *self._retiring):
            process.popen.kill()
            process.popen.wait()


def _ready(slot: Slot) -> bool:
    """Whether it is served, and nothing is about to change."""
    return slot.process is not None and slot.process.ready and slot.next is None


def _listen(settings: Settings) -> list[socket.socket]:
    """One listening socket for each worker, on one port. Raises CannotListen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    port = settings.port
    listeners: list[socket.socket] = []
    try:
        # With SO_REUSEPORT, two services could share a port by mistake; this probe detects that.
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, port))
        for _ in range(settings.workers):
            listener = socket.socket(family)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # Its connections inherit it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX)
            listener.bind((settings.host, port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
            port = listener.getsockname()[1]
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise CannotListen(
            f"cannot listen on {settings.host}:{port}: {error.strerror}; {_advice(error)}"
        ) from error
    return listeners


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "stop the process that listens there, or choose another port with --port"
    if error.errno == errno.EACCES:
        return "only root may use that port: choose one from 1024 on with --port"
    return "name an address of this machine with --host"
