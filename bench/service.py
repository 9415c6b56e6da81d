"""The service as an operator runs it, and its metrics.

Rule: everything that is on in production is on: authentication, validation, idempotency keys, the
ledger, metrics, logs. It gets no settings except those in the README.
"""

import http.client
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from bench.failures import ServiceFailed
from evently.own_secrets import PREFIX

START_S = 60.0
STOP_S = 30.0
POLL_S = 0.05
CALL_S = 30.0
# The kernel spreads new connections over the workers: after this many answers, all are up.
ANSWERS = 24
# In the first second after its start, a worker answers no read from memory.
SETTLE_S = 1.5
# Whose key it is.
CALLER = "booking"
LOG, LOG_TAIL = "service.log", 4000


class Service:
    """The service on one database, on a free port; `replica_dsn` is where its lists come from."""

    def __init__(
        self, dsn: str, workers: int, folder: Path, replica_dsn: str | None = None
    ) -> None:
        self._dsn = dsn
        self._replica_dsn = replica_dsn
        self._workers = workers
        self._log = folder / LOG
        self._process: subprocess.Popen[bytes] | None = None
        self.key = secrets.token_urlsafe(24)
        self.port = 0

    def __enter__(self) -> Self:
        self.port = free_port()
        env = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        env |= {
            f"{PREFIX}DATABASE_URL": self._dsn,
            f"{PREFIX}PORT": str(self.port),
            f"{PREFIX}WORKERS": str(self._workers),
            f"{PREFIX}INTERNAL_API_KEYS": f"{CALLER}:{self.key}",
            f"{PREFIX}JWT_SECRET": secrets.token_urlsafe(48),
            f"{PREFIX}LOG_FORMAT": "json",
        }
        if self._replica_dsn is not None:
            env[f"{PREFIX}READ_DATABASE_URL"] = self._replica_dsn
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evently", "serve"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """The supervisor's process id; the workers are its children."""
        assert self._process is not None, "the service is started"
        return self._process.pid

    def _wait(self) -> None:
        assert self._process is not None, "the service was started just now"
        deadline_s = time.monotonic() + START_S
        ready = 0
        while ready < ANSWERS:
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                tail = self._log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:]
                raise ServiceFailed(f"the service did not start:\n{tail}")
            try:
                self.get("/health/ready")
                ready += 1
            except (OSError, http.client.HTTPException, ServiceFailed):
                ready = 0
                time.sleep(POLL_S)
        time.sleep(SETTLE_S)

    def get(self, path: str) -> bytes:
        """The body of a GET of `path` with the internal key. Raises ServiceFailed unless 200."""
        return self._call("GET", path, None)

    def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer to a POST of JSON. Raises ServiceFailed unless 200."""
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: bytes | None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CALL_S)
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise ServiceFailed(f"{method} {path} answered {response.status}: {answer!r}")
        return answer

    def counts(self) -> "Counts":
        """The metrics of all workers, now."""
        text = self.get("/metrics").decode()
        return Counts(
            {
                (sample.name, *_label_values(sample.labels)): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
            }
        )


def _label_values(labels: Mapping[str, str]) -> list[str]:
    """The values in the order of the labels' names, the bound of a bucket last."""
    return [labels[name] for name in sorted(labels, key=lambda name: (name == "le", name))]


class Counts:
    """Metrics by name and label values, or the difference of two."""

    def __init__(self, values: dict[tuple[str, ...], float]) -> None:
        self._values = values

    def __sub__(self, before: "Counts") -> "Counts":
        old = before._values
        return Counts({name: value - old.get(name, 0.0) for name, value in self._values.items()})

    def value(self, *name: str) -> float:
        """One metric; 0 if nothing was counted."""
        return self._values.get(name, 0.0)

    def mean(self, name: str) -> float | None:
        """The mean of a histogram's observations, or None if there are none."""
        count = self.value(f"{name}_count")
        return self.value(f"{name}_sum") / count if count else None

    def quantile(self, name: str, share: float, *labels: str) -> float | None:
        """A quantile of a histogram with these label values, computed as by histogram_quantile.

        Values within a bucket are interpolated, so it is as exact as the buckets are narrow. In the
        last bucket, which has no upper bound, it is the lower one.
        """
        key = (f"{name}_bucket", *labels)
        buckets = sorted(
            (float(found[-1]), value) for found, value in self._values.items() if found[:-1] == key
        )
        total = buckets[-1][1] if buckets else 0.0
        if not total:
            return None
        rank = share * total
        lower, below = 0.0, 0.0
        for upper, cumulated in buckets:
            if cumulated >= rank:
                if math.isinf(upper):
                    return lower
                inside = cumulated - below
                return lower + (upper - lower) * ((rank - below) / inside if inside else 1.0)
            lower, below = upper, cumulated
        return lower


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
