"""The network between the service and PostgreSQL: a TCP port that leads to its Unix socket.

Rule: bytes keep their order and none is made up, as in TCP. Beyond that this network may do what
a network does: be slow, hold bytes and deliver them late (also those of a caller who has gone),
lose replies, break at the worst moment, refuse.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Self

CHUNK_BYTES = 1 << 16


class Mode(Enum):
    """What becomes of the bytes of one connection."""

    PASS = "they pass"
    HOLD = "they wait, in both directions"
    LOSE_REPLIES = "what the server says is lost"
    CUT_BEFORE = "the connection breaks before the next request reaches the server"
    CUT_AFTER = "the connection breaks before the next reply reaches the client"


class Link:
    """One connection: a client, and the server's end for it."""

    def __init__(self, mode: Mode) -> None:
        self._passable = asyncio.Event()
        self._lost = 0
        self._ends: list[asyncio.StreamWriter] = []
        self.mode = mode
        self.set(mode)

    def __repr__(self) -> str:
        return f"<Link {self.mode.name} lost={self._lost}>"

    def set(self, mode: Mode) -> None:
        """Treat what comes from now on by `mode`; what has waited goes first."""
        if mode is Mode.PASS and self._lost:
            # A stream with a hole in it is not one that anybody can go on with.
            return
        self.mode = mode
        if mode is Mode.HOLD:
            self._passable.clear()
        else:
            self._passable.set()

    def cut(self) -> None:
        """Break it: both ends notice at once, and what was on its way is gone."""
        for writer in self._ends:
            writer.transport.abort()

    def end(self) -> None:
        """Break it, and let go of whatever waits."""
        self.cut()
        self._passable.set()

    async def carry(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        proxy: "Proxy",
    ) -> None:
        """Carry bytes both ways until both ends have closed."""
        self._ends = [client[1], server[1]]
        await asyncio.gather(
            self._requests(client[0], server[1], proxy), self._replies(server[0], client[1], proxy)
        )

    async def _requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, proxy: "Proxy"
    ) -> None:
        with suppress(OSError):
            while data := await client.read(CHUNK_BYTES):
                await self._on_its_way(proxy)
                if self.mode is Mode.CUT_BEFORE:
                    return self.cut()
                if server.transport.is_closing():
                    # uvloop would call it a bug to write there.
                    break
                server.write(data)
                await server.drain()
        # Bytes that wait are delivered although their sender has gone; then the server hears so.
        await self._on_its_way(proxy)
        server.close()
        return None

    async def _replies(
        self, server: asyncio.StreamReader, client: asyncio.StreamWriter, proxy: "Proxy"
    ) -> None:
        with suppress(OSError):
            while data := await server.read(CHUNK_BYTES):
                await self._on_its_way(proxy)
                if self.mode is Mode.CUT_AFTER:
                    return self.cut()
                if self.mode is Mode.LOSE_REPLIES:
                    self._lost += len(data)
                    continue
                if client.transport.is_closing():
                    break
                client.write(data)
                await client.drain()
        await self._on_its_way(proxy)
        if self.mode is not Mode.LOSE_REPLIES:
            client.close()
        return None

    async def _on_its_way(self, proxy: "Proxy") -> None:
        if proxy.delay_s:
            await asyncio.sleep(proxy.delay_s)
        await self._passable.wait()


class Proxy:
    """Listens on a port of 127.0.0.1 that stays the same. An asynchronous context manager.

    `delay_s` is how long bytes take in each direction, `mode` that of connections to come.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._links: dict[Link, asyncio.Task[None] | None] = {}
        self._port = 0
        self.delay_s = 0.0
        self.mode = Mode.PASS

    def __repr__(self) -> str:
        return f"<Proxy 127.0.0.1:{self._port} {len(self._links)} links>"

    def dsn(self, database: str) -> str:
        """The URL of a database behind it."""
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}?sslmode=disable"

    @property
    def links(self) -> Iterable[Link]:
        """The open connections."""
        return tuple(self._links)

    async def listen(self) -> None:
        """Take connections, again on the same port if it was closed."""
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections: whoever tries is refused."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Break every connection."""
        for link in self.links:
            link.cut()

    def set(self, mode: Mode, *, new: bool = False) -> None:
        """Treat the connections there are by `mode`, and those to come too if `new`."""
        if new:
            self.mode = mode
        for link in self.links:
            link.set(mode)

    async def heal(self) -> None:
        """Be a good network again; a connection that has lost bytes is never whole again."""
        self.mode, self.delay_s = Mode.PASS, 0.0
        self.set(Mode.PASS)
        await self.listen()

    async def _connected(
        self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter
    ) -> None:
        link = Link(self.mode)
        self._links[link] = asyncio.current_task()
        try:
            server = await asyncio.open_unix_connection(str(self._socket))
            await link.carry((client_reader, client_writer), server, self)
        except OSError:
            # Nobody listens there: that is what the client gets to see as well.
            client_writer.transport.abort()
        finally:
            link.cut()
            del self._links[link]

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.refuse()
        for link in self.links:
            link.end()
        tasks = [task for task in self._links.values() if task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
