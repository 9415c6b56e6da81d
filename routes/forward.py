"""Brings a request to the actor of its event, whichever worker that lives in.

Rules:

1. The ring names the owner. When the owner cannot be reached, the next in the ring's order takes
   the event at once; the version check of the commit keeps two actors of one event harmless.
2. A request that was sent and not answered is asked again under its own key, as doubtful: if it
   was done, the ledger's answer comes back; if it was not, it is done now. Only a refusal or a
   fault proves nothing then (the first try may yet be committed), so the caller hears that it is
   unknown.
3. A worker that is not the owner never answers a read from its memory.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from actors.clock import DatabaseClock
from actors.envelope import Request
from actors.registry import Registry
from actors.ring import Ring
from evently.domain.errors import Fault, OutcomeUnknown
from evently.domain.outcomes import Answer, Done, KeyReused
from evently.domain.state import EventState
from routes.peer_link import LinkDown, LinkLost, PeerLink


class Events(Protocol):
    """The events of all workers."""

    @property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        ...

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer, after its commit. Raises a domain fault."""
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

    @property
    def clock(self) -> DatabaseClock:
        """The database's clock."""
        return self._registry.clock

    async def ask(self, event_id: str, request: Request) -> Answer:
        """The event's answer, after its commit, from whichever worker it lives in."""
        order = self._ring.order(event_id)
        if order[0] == self._index:
            return await self._registry.ask(event_id, request)
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
                if request.doubtful:
                    raise OutcomeUnknown(request.key) from fault
                raise
            if request.doubtful and not isinstance(answer, Done | KeyReused):
                raise OutcomeUnknown(request.key)
            return answer
        raise AssertionError("this worker is in the ring's order")

    async def read(self, event_id: str) -> EventState | None:
        """The event's committed state, from its owner or else from the database."""
        owner = self._ring.owner(event_id)
        if owner == self._index:
            return await self._registry.read(event_id)
        try:
            return await self._links[owner].read(event_id)
        except (LinkDown, LinkLost):
            return await self._registry.read_through(event_id)
