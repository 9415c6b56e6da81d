"""As many connections as the system allows, whatever a shell allows unless it is asked."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.acceptance.service import Service, raw_socket, running

# What shells and service managers usually give, scaled down.
SOFT = 256
CONNECTIONS = 2 * SOFT


@pytest.fixture
def frugal(database_url: str) -> Iterator[Service]:
    """A service that was started with few open files, though it might have many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    service = Service(database_url, 1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, hard))
    try:
        with running(service):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield service
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_that_say_nothing_keep_nobody_out(frugal: Service) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(raw_socket(frugal)) for _ in range(CONNECTIONS)]
        assert frugal.process.probe("/healthz") == 200
        # And each of those that were silent so far may speak.
        for connection in (held[0], held[-1]):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
