"""One worker process: serves the public port, and owns its share of the events.

Rule: it stops in the order in which nothing is lost: not ready, no new connections, the requests
in progress, the other workers' requests, the mailboxes, the database. It ends by itself when its
supervisor is gone.

The supervisor starts it with a listening socket and one end of a control socket. On that the
worker reports that it is ready, and then sends a heartbeat from its loop twice a second.
"""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from evently.app import Node, running_services, server
from evently.background import in_background
from evently.logs import set_up_logs
from evently.place import ALIVE, ALIVE_S, PLACE_VARIABLE, READY, REPLACED, Place
from evently.settings import Settings, load_settings
from evently.tracing import counting
from routes.caches.revision import SharedRevision
from routes.openapi.document import service_version
from routes.server.acceptor import Acceptor
from routes.server.connection import EdgeServer
from routes.services import Services

# Not __name__, which is __main__ here.
log = logging.getLogger("evently.worker")

# A request that was sent just before the listener closed is still answered.
LINGER_S = 0.5
# So is one that takes longer to arrive: when workers were replaced under load, one new connection
# in a thousand had brought no request yet after LINGER_S. Both together let a worker stop within
# two seconds whatever its clients do.
ARRIVAL_S = 1.0
# A worker that is replaced is not waited for by anybody, so it gives slow clients this many times
# ARRIVAL_S more. With LINGER_S and DRAIN_S that stays within the supervisor's grace.
PATIENCE = 4
# Every connection is an open file. A single client could use up the usual limit of 1024; this one
# costs the kernel a few hundred bytes for each file in use.
OPEN_FILES_MAX = 65_536
# Requests in progress get this long: a commit takes 3 s at worst, and its resolution 5 more.
DRAIN_S = 9.0


async def work(settings: Settings, place: Place) -> None:
    """Serve until SIGTERM, until replaced, or until the supervisor is gone; then drain."""
    ending = Ending()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ending.stop)
    loop.add_signal_handler(REPLACED, ending.leave)
    # A terminal sends SIGINT to every process; the supervisor sends SIGTERM when it is time.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    run_dir = Path(place.run_dir)
    node = Node(place.index, place.workers, run_dir, service_version())
    revision = SharedRevision(run_dir / "revision")
    async with AsyncExitStack() as stack:
        control = socket.socket(fileno=place.control)
        # It stays open until the process ends, because the supervisor takes its closing for the
        # worker's end, and a process with much memory takes a while to release it.
        stack.callback(control.detach)
        metrics = await stack.enter_async_context(counting(os.environ))
        services = await stack.enter_async_context(
            running_services(settings, place.dsn, metrics, revision, node)
        )
        listener = socket.socket(fileno=place.listener)
        await stack.enter_async_context(_serving(services, listener, ending))
        await stack.enter_async_context(_reporting(control, ending))
        await ending.begun.wait()
        services.lifecycle.drain()
        log.info("worker %d drains", place.index)
    revision.close()
    log.info("worker %d has stopped", place.index)


class Ending:
    """Whether the worker's end has begun, and how long it waits for requests to arrive."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self._patience = 0

    def stop(self) -> None:
        """End soon: somebody waits for it."""
        self._patience = 0
        self.begun.set()

    def leave(self) -> None:
        """End once clients have sent what they began to, because another worker serves already."""
        if not self.begun.is_set():
            self._patience = PATIENCE
            self.begun.set()

    async def arrivals(self, edge: EdgeServer) -> None:
        """Wait until what clients have begun to send has arrived, or for too long."""
        await asyncio.sleep(LINGER_S)
        await edge.arrived(ARRIVAL_S)
        while self._patience > 0:
            self._patience -= 1
            await edge.arrived(ARRIVAL_S)


@asynccontextmanager
async def _serving(
    services: Services, listener: socket.socket, ending: Ending
) -> AsyncIterator[None]:
    """Answer requests on `listener`; at the end, those in progress."""
    edge = server(services)
    runner = web.ServerRunner(edge, handle_signals=False, shutdown_timeout=DRAIN_S)
    await runner.setup()
    acceptor = Acceptor(listener, edge)
    acceptor.start()
    try:
        yield
    finally:
        await acceptor.stop()
        await ending.arrivals(edge)
        await runner.cleanup()


@asynccontextmanager
async def _reporting(control: socket.socket, ending: Ending) -> AsyncIterator[None]:
    """Send heartbeats to the supervisor, and notice when it is gone."""
    control.setblocking(False)
    loop = asyncio.get_running_loop()

    async def beat() -> None:
        await loop.sock_sendall(control, READY)
        while True:
            await asyncio.sleep(ALIVE_S)
            await loop.sock_sendall(control, ALIVE)

    async def listen() -> None:
        with suppress(OSError):
            while await loop.sock_recv(control, 64):
                pass
        log.warning("the supervisor is gone: the worker stops")
        ending.stop()

    async with in_background(heartbeat=beat(), supervisor_watch=listen()):
        yield


def main() -> None:
    """Run one worker, with the place that the supervisor gave it."""
    place = msgspec.json.decode(os.environ.pop(PLACE_VARIABLE), type=Place)
    settings = load_settings()
    set_up_logs(settings.log_format)
    _quieten_collector()
    _allow_open_files()
    uvloop.run(work(settings, place))


def _quieten_collector() -> None:
    """Collect garbage less often: imported modules stay, and requests leave no cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _allow_open_files() -> None:
    """Raise the limit on open files to what the system grants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(OPEN_FILES_MAX, hard)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))


if __name__ == "__main__":
    main()
