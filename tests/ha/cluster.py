"""etcd and three PostgreSQL nodes under Patroni, all real and all on this machine.

Rule: only processes that were started here are signalled, each by its id, and none is left.
"""

import json
import os
import pwd
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evently.embedded.programs import binaries, identity
from evently.embedded.system_user import give, server_user
from tests.acceptance.service_process import ROOT
from tests.surroundings import free_port, program

NODES = 3
VENV = ROOT / ".venv-ha"
DATABASE = "evently"
# A first start makes a cluster and copies it twice.
STARTED_S = 90.0
# After a fault: a time to live of 20 s, a rewind, and a busy machine.
HEALED_S = 120.0
STOPPED_S = 20.0
ASK_S = 1.0
POLL_S = 0.1
LOG_LINES = 40


class Node:
    """Patroni and the PostgreSQL that it runs."""

    def __init__(self, number: int, folder: Path, etcd_port: int, user: pwd.struct_passwd | None):
        self.name = f"node-{number}"
        self.port, self._rest_port = free_port(), free_port()
        self._folder = folder / self.name
        self._user = user
        self._popen: subprocess.Popen[bytes] | None = None
        self._frozen: list[int] = []
        self._folder.mkdir(mode=0o700)
        self._config = self._folder / "patroni.yml"
        self._config.write_text(
            (Path(__file__).with_name("patroni.yml").read_text(encoding="utf-8")).format(
                name=self.name,
                rest_port=self._rest_port,
                etcd_port=etcd_port,
                port=self.port,
                folder=self._folder,
                bin_dir=binaries(),
            ),
            encoding="utf-8",
        )
        for path in (self._folder, self._config):
            give(path, user)

    def start(self) -> None:
        """Start Patroni unless it runs; it starts PostgreSQL."""
        if self._popen is not None and self._popen.poll() is None:
            return
        with (self._folder / "log").open("ab") as log:
            self._popen = subprocess.Popen(
                [str(VENV / "bin" / "python"), "-m", "patroni", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **identity(self._user),
            )

    def log_tail(self) -> str:
        """The last that Patroni and PostgreSQL have written."""
        lines = (self._folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES:])

    @property
    def postmaster(self) -> int | None:
        """PostgreSQL's process id, if it runs."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            return pid if str(self._folder).encode() in command else None
        return None

    def kill_postgres(self) -> None:
        """End PostgreSQL at once, as a crash does, and leave Patroni alone."""
        pid = self.postmaster
        assert pid is not None, f"{self.name} has no PostgreSQL"
        os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End all of it at once, as a machine that loses its power."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
        with suppress(ProcessLookupError, AssertionError):
            self.kill_postgres()

    def freeze(self) -> None:
        """Stop all of it where it is: it answers nothing, and closes no connection."""
        assert self._popen is not None, f"{self.name} was never started"
        postmaster = self.postmaster
        assert postmaster is not None, f"{self.name} has no PostgreSQL"
        self._frozen = [self._popen.pid, postmaster, *_children(postmaster)]
        for pid in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in reversed(self._frozen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []

    def stop(self) -> None:
        """End it in order, and by force where that takes too long."""
        self.thaw()
        if self._popen is not None and self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOPPED_S)
        self.kill()

    def switch_over(self, to: "Node") -> None:
        """Ask this one, the leader, to give its place to another."""
        body = json.dumps({"leader": self.name, "candidate": to.name}).encode()
        url = f"http://127.0.0.1:{self._rest_port}/switchover"
        with urllib.request.urlopen(url, body, timeout=HEALED_S):
            pass

    def members(self) -> list[Mapping[str, Any]]:
        """All nodes as this one sees them; none where it does not answer."""
        url = f"http://127.0.0.1:{self._rest_port}/cluster"
        try:
            with urllib.request.urlopen(url, timeout=ASK_S) as answer:
                found: list[Mapping[str, Any]] = json.load(answer)["members"]
                return found
        except (OSError, ValueError):
            return []


class Etcd:
    """Where Patroni keeps who leads."""

    def __init__(self, folder: Path) -> None:
        self.port, self._peer_port = free_port(), free_port()
        self._folder = folder
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the data that it left."""
        here = f"http://127.0.0.1:{self.port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        with (self._folder / "etcd.log").open("ab") as log:
            self._popen = subprocess.Popen(
                [
                    program("etcd", "etcd-server"),
                    *("--data-dir", str(self._folder / "etcd")),
                    *("--listen-client-urls", here, "--advertise-client-urls", here),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", f"default={peer}"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End it at once."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()


class PatroniCluster:
    """All of it. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o711)
        user = server_user(folder / "any")
        server_user(VENV / "any")
        self.etcd = Etcd(folder)
        self.nodes = [Node(number, folder, self.etcd.port, user) for number in range(1, NODES + 1)]

    @property
    def dsn(self) -> str:
        """The database of whichever node leads, the last node first."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in reversed(self.nodes))
        return f"postgresql://postgres@{hosts}/{DATABASE}?sslmode=disable"

    def by_role(self) -> Mapping[str, list[str]]:
        """The names of the nodes in each role, as most of those that answer see it."""
        for node in self.nodes:
            members = [] if node._frozen else node.members()
            if members:
                roles: dict[str, list[str]] = {}
                for member in members:
                    if member["state"] in {"running", "streaming"}:
                        roles.setdefault(member["role"], []).append(member["name"])
                return roles
        return {}

    def leader(self) -> Node:
        """The node that leads."""
        return self._only("leader")

    def sync_standby(self) -> Node:
        """The node that has every commit before it is answered."""
        return self._only("sync_standby")

    def _only(self, role: str) -> Node:
        until(lambda: role in self.by_role(), HEALED_S, f"a {role}")
        (name,) = self.by_role()[role]
        return next(node for node in self.nodes if node.name == name)

    def until_healthy(self, nodes: int = NODES, within_s: float = HEALED_S) -> None:
        """Wait until that many nodes are there, one of which leads and one is synchronous."""

        def healthy() -> bool:
            roles = self.by_role()
            running = sum(map(len, roles.values()))
            return running >= nodes and {"leader", "sync_standby"} <= roles.keys()

        try:
            until(healthy, within_s, f"{nodes} healthy nodes")
        except AssertionError as error:
            logs = "\n".join(f"{node.name}:\n{node.log_tail()}" for node in self.nodes)
            raise AssertionError(f"{error}; there are {self.by_role()}\n{logs}") from error

    def __enter__(self) -> "PatroniCluster":
        try:
            self.etcd.start()
            for node in self.nodes:
                node.start()
            self.until_healthy(within_s=STARTED_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for node in self.nodes:
            node.stop()
        self.etcd.kill()


def until(fact: Callable[[], object], within_s: float, what: str) -> None:
    """Wait until a fact shows. Raises AssertionError when it does not."""
    deadline_s = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline_s, f"{what}: not within {within_s:.0f} s"
        time.sleep(POLL_S)


def _children(pid: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                # The second field is a name in brackets, which may hold anything.
                if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    yield int(folder.name)
