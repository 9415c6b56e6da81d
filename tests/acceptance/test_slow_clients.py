"""Clients that never end what they send, or do not read what they asked for: what they cost."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.acceptance.service import Service, raw_socket, running
from tests.until import until

CLIENTS = 300
FLAT_MB = 100
# For each client; without a bound the kernel takes 2.5 MB.
UNSENT_BYTES = 400_000
HEAD_BYTES_MAX = 32 * 1024
LINE = b"X-Filler: " + 8000 * b"x" + b"\r\n"


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    with running(Service(database_url, 1)) as service:
        yield service


def memory_mb(service: Service) -> int:
    """What the one worker has in memory."""
    (pid,) = service.process.worker_pids().values()
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def unsent_bytes(service: Service) -> int:
    """What the kernel has taken of the service's answers, and no client has acknowledged."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    local = f":{service.process.port:04X}"
    columns = (line.split() for line in lines)
    return sum(int(one[4].split(":")[0], 16) for one in columns if one[1].endswith(local))


def answers(service: Service) -> bool:
    return service.process.probe("/healthz") == 200


async def test_heads_that_do_not_end_are_refused_and_take_no_memory(service: Service) -> None:
    before_mb = memory_mb(service)
    with ExitStack() as stack:
        clients = [stack.enter_context(raw_socket(service)) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(HEAD_BYTES_MAX // len(LINE) + 1):
            for client in clients:
                with suppress(OSError):
                    client.sendall(LINE)
        await until(lambda: answers(service), 60, "an answer beside them")
        heard = {client.recv(65_536).split()[1] for client in clients}
        after_mb = memory_mb(service)
    assert heard <= {b"431", b"503"}
    assert b"431" in heard
    assert after_mb - before_mb < FLAT_MB


async def test_clients_that_do_not_read_take_no_memory_and_do_not_hold_up_the_end(
    service: Service,
) -> None:
    # More than the kernel takes for a connection.
    asking = 5 * b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    before_mb = memory_mb(service)
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", service.process.port))
            client.sendall(asking)
        await until(lambda: answers(service), 60, "an answer beside them")
        assert memory_mb(service) - before_mb < FLAT_MB
        # The kernel's share, which it copies while everybody waits.
        assert unsent_bytes(service) < CLIENTS * UNSENT_BYTES
        service.process.stop()
