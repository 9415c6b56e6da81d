"""Brings a request to the actor of its event, in whichever worker it lives.

Rules:

1. The ring names the owner. When the owner cannot be reached, the next in the ring's order takes
   the event at once; the version check of the commit keeps two actors of one event harmless.
2. A request that was sent and not answered is asked again under its own key, as doubtful: if it
   was done, the ledger's answer comes back; if it was not, it is done or refused now, and the first
   try never will be. Only a fault proves nothing then, so the caller hears that the outcome is
   unknown, and nothing else until there is an answer, also for the requests that follow.
3. A worker that is not the owner never answers a read from its memory.

The straight way, to an owner that is here or whose link is open, takes no task of its own: the
caller's future is the one that the actor or the link answers. All else is a detour, in a task.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.peers.link import LinkDown, LinkLost, PeerLink
from actors.peers.ring import Ring
from actors.registry import Registry
from evently.domain.errors import Fault, OutcomeUnknown
from evently.domain.outcomes import Answer
from evently.domain.state import EventState

T = TypeVar("T")


class Events(Protocol):
    """The events of all workers."""

    @property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        ...

    def submit(self, event_id: str, request: Request) -> "asyncio.Future[Answer]":
        """The event's answer to come, after its commit, or a domain fault. Raises one, too."""
        ...

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer, after its commit. Raises a domain fault."""
        ...

    def look_up(self, event_id: str) -> "EventState | asyncio.Future[EventState | None]":
        """What `read` gives: at once where it is in memory, else in a future."""
        ...

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, or None. Raises a domain fault."""
        ...


class Forwarder:
    """The events of all workers of this node, as seen from worker `index`."""

    def __init__(
        self, index: int, ring: Ring, registry: Registry, links: Mapping[int, PeerLink]
    ) -> None:
        self._index = index
        self._ring = ring
        self._registry = registry
        self._links = links
        self._unknown = registry.unknown
        self._loop = asyncio.get_running_loop()

    @property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        return self._registry.clock

    def submit(self, event_id: str, request: Request) -> "asyncio.Future[Answer]":
        """The event's answer to come, from whichever worker it lives in, or a domain fault.

        Raises Overloaded or DatabaseUnavailable (nothing was done), OutcomeUnknown.
        """
        order = self._ring.order(event_id)
        owner = order[0]
        if owner == self._index:
            return self._registry.submit(event_id, request)
        future: asyncio.Future[Answer] = self._loop.create_future()
        link = self._links[owner]
        if self._unknown.holds(event_id, request):
            self._detour(future, self._try(order, event_id, replace(request, doubtful=True)))
        elif link.open:
            failed = partial(self._failed, event_id, request, future)
            try:
                link.submit(event_id, request, future, failed)
            except OutcomeUnknown as fault:
                self._unknown.told(event_id, request, fault)
                raise
        else:
            self._detour(future, self._try(order, event_id, request))
        return future

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer, after its commit, from whichever worker it lives in."""
        return await self.submit(event_id, request)

    def look_up(self, event_id: str) -> "EventState | asyncio.Future[EventState | None]":
        """The event's committed state, at once where this worker owns it and knows it."""
        owner = self._ring.owner(event_id)
        if owner == self._index:
            return self._registry.look_up(event_id)
        future: asyncio.Future[EventState | None] = self._loop.create_future()
        link = self._links[owner]
        if link.open:
            link.look_up(event_id, future, partial(self._read_here, event_id, future))
        else:
            self._detour(future, self._read_by(link, event_id))
        return future

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, from its owner or else from the database."""
        found = self.look_up(event_id)
        return await found if isinstance(found, asyncio.Future) else found

    def _failed(
        self,
        event_id: str,
        request: Request,
        future: "asyncio.Future[Answer]",
        fault: Fault | None,
    ) -> None:
        """There is no answer: for a fault, or because the owner went away with the request."""
        if fault is not None:
            future.set_exception(self._unknown.told(event_id, request, fault))
            return
        # It may have been carried out.
        doubtful = replace(request, keyed=True, doubtful=True)
        others = self._ring.order(event_id)[1:]
        self._detour(future, self._try(others, event_id, doubtful))

    async def _try(self, order: Sequence[int], event_id: str, request: Request) -> Answer:
        """The answer of the first worker of `order` that gives one; this one is among them."""
        for index in order:
            try:
                if index == self._index:
                    answer = await self._registry.ask(event_id, request)
                else:
                    answer = await self._links[index].ask(event_id, request)
            except LinkDown:
                continue
            except LinkLost:
                request = replace(request, keyed=True, doubtful=True)
                continue
            except Fault as fault:
                told = self._unknown.told(event_id, request, fault)
                if told is fault:
                    raise
                raise told from fault
            self._unknown.answered(event_id, request)
            return answer
        raise AssertionError("this worker is in the ring's order")

    def _read_here(
        self, event_id: str, future: "asyncio.Future[EventState | None]", fault: Fault | None
    ) -> None:
        if fault is not None:
            future.set_exception(fault)
        else:
            self._registry.read_through(event_id, future)

    async def _read_by(self, link: PeerLink, event_id: str) -> EventState | None:
        try:
            return await link.read(event_id)
        except (LinkDown, LinkLost):
            return await self._registry.read_through(event_id)

    def _detour(self, future: "asyncio.Future[T]", way: Coroutine[Any, Any, T]) -> None:
        """Let a task find what `future` waits for; the task is cancelled with the future."""
        task = self._loop.create_task(way, name="detour")

        def end(_: "asyncio.Future[T]") -> None:
            task.cancel()

        def hand_over(task: "asyncio.Task[T]") -> None:
            future.remove_done_callback(end)
            error = None if task.cancelled() else task.exception()
            if future.done():
                return
            if task.cancelled():
                future.cancel()
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        # The loop keeps no reference to the task; the future does.
        future.add_done_callback(end)
        task.add_done_callback(hand_over)
