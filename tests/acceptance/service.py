"""The real service as an operator runs it, for tests that only talk to it from outside.

A Service is four objects: its `process`, its `api`, its `database`, and the `clients` that use
them.
"""

import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from actors.peers.ring import Ring
from tests.acceptance.service_api import ServiceApi
from tests.acceptance.service_clients import ServiceClients
from tests.acceptance.service_database import ServiceDatabase
from tests.acceptance.service_process import INTERNAL_KEY, ServiceProcess


class Service:
    """One service under test."""

    def __init__(
        self,
        database_url: str | None,
        workers: int,
        *,
        data_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.workers = workers
        self.process = ServiceProcess(database_url, workers, data_dir=data_dir, settings=settings)
        self.api = ServiceApi(lambda: self.process.url, INTERNAL_KEY)
        self.database = ServiceDatabase(database_url)
        self.clients = ServiceClients(self.api, self.database)
        self._ring = Ring(workers)

    def __repr__(self) -> str:
        return f"<Service {self.process.url} {self.workers} workers>"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Self]:
        """Within it, requests can be sent from the running loop."""
        async with self.api.connected():
            yield self

    def owner(self, event_id: str) -> int:
        """The index of the worker that owns the event."""
        return self._ring.owner(event_id)

    def owner_pid(self, event_id: str) -> int:
        """The process of the worker that owns the event."""
        return self.process.worker_pids()[self.owner(event_id)]


def from_now(seconds: float) -> str:
    """A time so far ahead, as RFC 3339."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """Start `service`; at the end stop it cleanly, unless the test has ended it by itself."""
    process = service.process
    try:
        process.start()
        yield service
        if process.processes():
            process.stop()
    finally:
        process.discard()


def raw_socket(service: Service) -> socket.socket:
    """A TCP connection to the service, for bytes that are not HTTP."""
    return socket.create_connection(("127.0.0.1", service.process.port), timeout=10)
