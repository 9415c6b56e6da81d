"""The bare server: an aiohttp handler that only answers.

Rule: it has everything that makes the service fast but is not its work: aiohttp's low-level server,
uvloop, a process and a listening socket for each worker, a rarely run garbage collector; and its
bodies are as long. Any further time that the service takes, it takes for its work.
"""

import asyncio
import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import click
import uvloop
from aiohttp import web

from bench.failures import LoadFailed
from evently.place import BACKLOG

START_S = 30.0
STOP_S = 10.0
POLL_S = 0.02


class Ceiling:
    """Bare servers on one port; `bodies` maps paths to the answers' bodies."""

    def __init__(self, workers: int, bodies: Mapping[str, bytes], folder: Path) -> None:
        self._workers = workers
        self._folder = folder / "bare"
        self._folder.mkdir(exist_ok=True)
        for path, body in bodies.items():
            (self._folder / path.lstrip("/")).write_bytes(body)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.port = 0

    def __enter__(self) -> Self:
        for _ in range(self._workers):
            with _listener(self.port) as listener:
                self.port = listener.getsockname()[1]
                arguments = [str(listener.fileno()), str(self._folder)]
                process = subprocess.Popen(  # noqa: S603 - our own arguments
                    [sys.executable, "-m", "bench.ceiling", *arguments],
                    pass_fds=(listener.fileno(),),
                )
                self._processes.append(process)
        self._wait()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(STOP_S)

    def _wait(self) -> None:
        """Wait until every process is ready."""
        deadline_s = time.monotonic() + START_S
        while not all((self._folder / f"{p.pid}.ready").exists() for p in self._processes):
            if time.monotonic() > deadline_s or any(p.poll() is not None for p in self._processes):
                raise LoadFailed("the bare server did not start")
            time.sleep(POLL_S)

    @property
    def pids(self) -> list[int]:
        """The process ids."""
        return [process.pid for process in self._processes]


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(BACKLOG)
    return listener


async def serve(
    listener: socket.socket, bodies: Mapping[str, bytes], ready: Callable[[], None]
) -> None:
    """Answer every path of `bodies` until the process ends; call `ready` after the start."""

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.method == "POST":
            await request.read()
        return web.Response(body=bodies[request.raw_path], content_type="application/json")

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    ready()
    await asyncio.Event().wait()


@click.command()
@click.argument("descriptor", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
def main(descriptor: int, folder: Path) -> None:
    """Serve on an inherited socket."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    bodies = {f"/{file.name}": file.read_bytes() for file in folder.iterdir() if not file.suffix}
    ready = folder / f"{os.getpid()}.ready"
    uvloop.run(serve(socket.socket(fileno=descriptor), bodies, ready.touch))


if __name__ == "__main__":
    main()
