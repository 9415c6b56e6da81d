"""Generates load with wrk: prepared requests, sent as fast as the answers arrive.

Rule: one thread of wrk for every four processors, since the load generator shares the machine with
the service. wrk also counts a slow answer for the requests that it delayed: its percentiles are
corrected for coordinated omission.
"""

import json
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from bench.failures import LoadFailed
from evently.settings import usable_cpus

PLAYER = Path(__file__).with_name("play.lua")
# A request without an answer for this long is an error; shorter waits are latencies.
TIMEOUT_S = 10
# wrk takes at most this much longer than its own duration.
GRACE_S = 60.0

# The placeholders in a request for a unique key and for the newest version.
KEY, VERSION = "\1", "\2"
# How wide play.lua makes a key and a version.
KEY_WIDTH, VERSION_WIDTH = 26, 12

Mode: TypeAlias = Literal["flat out", "paced", "patient", "tracking", "many", "many paced"]
Body: TypeAlias = Mapping[str, "int | str | list[Body]"]


class Played(msgspec.Struct, frozen=True):
    """The report of wrk; `status` counts answers over 399, of which `conflicts` were 409.

    Only a run that tracks versions counts conflicts. In a run of requests for many moves, an answer
    with an error in it counts as one over 399.
    """

    requests: int
    duration_us: int
    p50_us: int
    p99_us: int
    p999_us: int
    conflicts: int
    status: int
    connect: int
    read: int
    write: int
    timeout: int

    @property
    def good_per_second(self) -> float:
        """Answers a second that are not refusals."""
        return (self.requests - self.status) / (self.duration_us / 1e6)

    @property
    def errors(self) -> int:
        """What a client sees as errors: bad answers except conflicts, and broken sockets."""
        return self.status - self.conflicts + sum(self.broken.values())

    @property
    def broken(self) -> dict[str, int]:
        """Requests without an answer, by what failed."""
        return {name: getattr(self, name) for name in ("connect", "read", "write", "timeout")}


def get(path: str, headers: Sequence[str] = ()) -> str:
    """A GET request as it is sent."""
    return _request("GET", path, headers, "")


def post(path: str, body: Body, headers: Sequence[str] = ()) -> str:
    """A POST request with a JSON body, which may contain VERSION, and KEY in texts."""
    text = json.dumps(body, separators=(",", ":"))
    text = text.replace(json.dumps(VERSION), VERSION).replace(json.dumps(KEY)[1:-1], KEY)
    length = len(text)
    length += text.count(VERSION) * (VERSION_WIDTH - len(VERSION))
    length += text.count(KEY) * (KEY_WIDTH - len(KEY))
    more = (*headers, "Content-Type: application/json", f"Content-Length: {length}")
    return _request("POST", path, more, text)


def _request(method: str, path: str, headers: Sequence[str], body: str) -> str:
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers)
    return "\r\n".join(lines) + "\r\n\r\n" + body


def new_tag() -> str:
    """What the keys of one run begin with."""
    return secrets.token_hex(6)


def keys_of(tag: str, number: int) -> list[str]:
    """The keys of the first `number` requests of one thread, as play.lua makes them.

    wrk makes one request before all for itself, and does not send it.
    """
    return [f"{tag}-000-{place:09d}" for place in range(2, number + 2)]


def play(
    port: int,
    requests: Sequence[str],
    folder: Path,
    *,
    connections: int,
    seconds: int,
    mode: Mode = "flat out",
    tag: str = "",
) -> Played:
    """Send `requests`, in their order and again, for `seconds`. Raises LoadFailed.

    With a `tag` from `new_tag` one thread sends them, under the keys that `keys_of` gives.
    """
    written = folder / "requests"
    written.write_bytes("\0".join(requests).encode("latin-1"))
    threads = 1 if tag else min(connections, max(1, usable_cpus() // 4))
    done = subprocess.run(  # noqa: S603 - our own program and arguments
        [  # noqa: S607 - wherever it is installed
            "wrk",
            f"--threads={threads}",
            f"--connections={connections}",
            f"--duration={seconds}s",
            f"--timeout={TIMEOUT_S}s",
            f"--script={PLAYER}",
            f"http://127.0.0.1:{port}",
            "--",
            str(written),
            tag or new_tag(),
            mode,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + GRACE_S,
    )
    reports = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not reports:
        raise LoadFailed(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return msgspec.json.decode(reports[-1], type=Played)
