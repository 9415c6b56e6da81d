"""What handlers work with, wired by the composition root.

Rule: a handler reaches everything through this one value, so that what a request can touch is
seen in one place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from db.database import Database
from db.event_ledger import EventLedger
from db.event_store import EventStore
from db.venue_store import VenueStore
from evently.domain.outcomes import Answer
from routes.auth.admin_auth import AdminAuth
from routes.auth.internal_keys import InternalKeys
from routes.event_lists import EventLists
from routes.forward import Events
from routes.openapi import OpenApi
from routes.revision import Revision
from routes.venue_cache import VenueCache


class Observer(Protocol):
    """Who counts what is answered.

    One that `asks_for_names` finds in `routes.request_context` which request was answered.
    """

    asks_for_names: bool

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the endpoint's pattern, never a path."""
        ...

    def moved(self, kind: str, answer: Answer) -> None:
        """A seat move (`reserve` or `return`) was decided."""
        ...

    def exposition(self) -> bytes:
        """The metrics of all workers as Prometheus text."""
        ...


class Lifecycle:
    """Whether this worker wants more work."""

    def __init__(self, on_drain: Callable[[], None] = lambda: None) -> None:
        self.draining = False
        self._on_drain = on_drain

    def drain(self) -> None:
        """From now on, ask for no more."""
        self.draining = True
        self._on_drain()


@dataclass(slots=True, kw_only=True)
class Services:
    """Everything a request can touch."""

    events: Events
    event_store: EventStore
    event_lists: EventLists
    ledger: EventLedger
    venues: VenueStore
    venue_cache: VenueCache
    revision: Revision
    admin_auth: AdminAuth
    internal_keys: InternalKeys
    database: Database
    observer: Observer
    openapi: OpenApi
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    cors_origins: frozenset[str] = frozenset()
