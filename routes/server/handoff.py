"""Gives a client's connection to the worker whose events it moves seats of.

Rules:

1. A connection is given away between two requests only: all that came is answered, every answer
   has left, nothing of a next request is here. What its client sends then, the new worker reads.
2. A worker takes connections while it has time to spare: its door, a Unix socket, is open then.
   One that has none is better off where the others read and write for it.
3. What is not taken stays where it is, and is served as before.
4. A connection whose client no longer moves events of the worker that it was given to goes back to
   the one that it came to at first, over which the kernel had spread them all.

A move that is forwarded goes through two more changes of process than one that arrives where its
event lives, and takes nearly twice the processors' time. (Pai et al., "Locality-aware request
distribution in cluster-based network servers", 1998, hand connections over likewise.) Reads do not
count: they are forwarded at less cost, and would all end up on one worker.
"""

import array
import asyncio
import logging
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from actors.peers.ring import Ring

log = logging.getLogger(__name__)

# Moves in a row of one other worker's events, after which a connection is given to it. Where
# events are moved at random and there are two workers, one row in 2^16 comes so far; to give a
# connection away takes as long as five moves.
MOVES_MIN = 16
# A guest is looked at after so many answers. It stays if so many of them were to moves, and such a
# share of those to moves of events that live here.
GUEST_ANSWERS, GUEST_MOVES_MIN, GUEST_SHARE_MIN = 64, 8, 0.75
# How often a worker looks whether it has time to spare, and how many connections it takes until
# it looks again: what they bring should show first.
LOOK_S = 0.5
TAKEN_MAX = 32
# The share of its time that a worker's loop may be at work and yet take more.
BUSY_MAX = 0.9
# What is said of a connection that is given away: the worker that it came to at first.
_HOME = struct.Struct("=I")

# Makes the protocol of a connection that came to another worker, or of one that is back (None).
Serve: TypeAlias = Callable[[int | None], asyncio.BaseProtocol]


class Handoff:
    """The way of connections from worker `index` to the others, and from them to it.

    `door` says where a worker takes them, `on_given` is called for each that was given away,
    `worked_s` says for how many seconds this thread has been at work.
    """

    def __init__(
        self,
        index: int,
        ring: Ring,
        door: Callable[[int], Path],
        on_given: Callable[[], None],
        worked_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._index = index
        self._ring = ring
        self._path_of = door
        self._on_given = on_given
        self._worked_s = worked_s
        self._serve: Serve | None = None
        self._out = _datagrams()
        self._door: socket.socket | None = None
        self._taken = 0
        self._settling: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._looked = (self._worked_s(), self._loop.time())
        self._next_look: asyncio.TimerHandle | None = None

    def start(self, serve: Serve) -> None:
        """Take connections, and serve them."""
        self._serve = serve
        self._open()
        self._next_look = self._loop.call_later(LOOK_S, self._look)

    async def stop(self) -> None:
        """Give and take no more; what was given until now is served at the end."""
        if self._next_look is not None:
            self._next_look.cancel()
        self._close()
        self._out.close()
        if self._settling:
            await asyncio.gather(*self._settling)

    def owner(self, event_id: str) -> int | None:
        """The other worker that owns the event; None if this one does."""
        owner = self._ring.owner(event_id)
        return None if owner == self._index else owner

    def give(self, to: int, transport: asyncio.BaseTransport, home: int | None) -> bool:
        """Give a connection to another worker and close it here; False if it is not taken.

        `home` is the worker that it came to at first, None for this one.
        """
        said = _HOME.pack(self._index if home is None else home)
        descriptor = array.array("i", [transport.get_extra_info("socket").fileno()])
        message = (socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor)
        try:
            self._out.sendmsg([said], [message], 0, str(self._path_of(to)))
        except OSError:
            return False
        transport.close()
        self._on_given()
        return True

    def _look(self) -> None:
        """Open the door or close it, by how busy this worker has been since it looked last."""
        self._next_look = self._loop.call_later(LOOK_S, self._look)
        worked_s, now_s = self._looked
        self._looked = (self._worked_s(), self._loop.time())
        if self._looked[0] - worked_s > BUSY_MAX * (self._looked[1] - now_s):
            self._close()
        elif self._door is None:
            self._open()
        self._taken = 0

    def _open(self) -> None:
        """Take connections, if that can be; else it is tried again at the next look."""
        try:
            self._door = _door_at(self._path_of(self._index))
        except OSError as error:
            log.warning("no connections are taken from other workers: %s", error)
        else:
            self._loop.add_reader(self._door, self._take)

    def _close(self) -> None:
        """Refuse what comes from now on; what came before is here."""
        door, self._door = self._door, None
        if door is None:
            return
        self._loop.remove_reader(door)
        door.shutdown(socket.SHUT_RD)
        while self._take_one(door):
            pass
        door.close()

    def _take(self) -> None:
        while self._door is not None and self._take_one(self._door):
            if self._taken >= TAKEN_MAX:
                self._close()

    def _take_one(self, door: socket.socket) -> bool:
        """Serve a connection that was given; False where none is left."""
        try:
            said, descriptors, _, _ = socket.recv_fds(door, _HOME.size, 1)
        except BlockingIOError:
            return False
        # Without a descriptor where this process has too many open files; its client is told.
        for descriptor in descriptors:
            self._taken += 1
            (home,) = _HOME.unpack(said)
            connection = socket.socket(fileno=descriptor)
            task = self._loop.create_task(self._settle(connection, home))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        return bool(said)

    async def _settle(self, connection: socket.socket, home: int) -> None:
        serve = self._serve
        assert serve is not None, "a door is opened by start"
        guest_of = None if home == self._index else home
        connection.setblocking(False)
        connection.set_inheritable(False)
        try:
            await self._loop.connect_accepted_socket(lambda: serve(guest_of), connection)
        except OSError:
            # Its client has left on the way.
            connection.close()


class Affinity:
    """Which worker one connection belongs to, by the events whose seats its client moves.

    `home` is the worker that it came to at first, None for this one.
    """

    __slots__ = ("_answers", "_handoff", "_here", "_home", "_moves", "_owner", "_row", "_to")

    def __init__(self, handoff: Handoff, home: int | None = None) -> None:
        self._handoff = handoff
        self._home = home
        # Moves in a row of events that the worker `owner` has, None for this one.
        self._owner: int | None = None
        self._row = 0
        # Of a guest, since it was looked at last: answers, moves, moves of events that live here.
        self._answers = self._moves = self._here = 0
        self._to: int | None = None

    @property
    def guest(self) -> bool:
        """Whether the connection came to another worker at first."""
        return self._home is not None

    def answered(self, moved: str | None) -> bool:
        """Count an answer, to a move of the event `moved` if it was one; whether to leave."""
        if moved is not None:
            owner = self._handoff.owner(moved)
            if owner != self._owner:
                self._owner, self._row = owner, 0
            self._row += 1
            if owner is not None and self._row >= MOVES_MIN:
                self._to = owner
                return True
        return self._home is not None and self._has_no_business_here(moved is not None)

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Give the connection away, or try again after so many answers."""
        to, self._to, self._row = self._to, None, 0
        if to is not None:
            self._handoff.give(to, transport, self._home)

    def _has_no_business_here(self, was_move: bool) -> bool:
        self._answers += 1
        if was_move:
            self._moves += 1
            self._here += self._owner is None
        if self._answers < GUEST_ANSWERS:
            return False
        moves, here = self._moves, self._here
        self._answers = self._moves = self._here = 0
        self._to = self._home
        return moves < GUEST_MOVES_MIN or here < GUEST_SHARE_MIN * moves


def _door_at(path: Path) -> socket.socket:
    """A socket bound to `path`; one that a killed worker left is replaced. Raises OSError."""
    path.unlink(missing_ok=True)
    door = _datagrams()
    try:
        door.bind(str(path))
    except OSError:
        door.close()
        raise
    return door


def _datagrams() -> socket.socket:
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    return ours
