"""What handlers work with, wired by the composition root.

Rule: a handler reaches everything through this one value, so that what a request can touch is
seen in one place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.bulk_moves import BulkMoves
from actors.peers.forwarder import Events
from db.account_store import AccountStore
from db.change_feed import ChangeReader
from db.creations import Creations
from db.event_holds import EventHolds
from db.event_inventory import EventInventory
from db.event_ledger import EventLedger
from db.event_store import EventStore
from db.readiness import ReadyCheck
from db.venue_store import VenueStore
from evently.domain.currencies import CURRENCY_DEFAULT
from routes.auth.bearer import Bearer
from routes.auth.client_address import ClientAddress
from routes.auth.internal_keys import InternalKeys
from routes.auth.registration import Registration
from routes.auth.sessions import Sessions
from routes.caches.change_feed import ChangeFeed
from routes.caches.event_lists import EventLists
from routes.caches.revision import Revision
from routes.caches.venue_cache import VenueCache
from routes.observer import Observer


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
class AdminAuth:
    """Who admins are, how they register, and their logins."""

    bearer: Bearer
    registration: Registration
    sessions: Sessions
    addresses: ClientAddress


@dataclass(slots=True, kw_only=True)
class Services:
    """Everything a request can touch."""

    events: Events
    bulk_moves: BulkMoves
    event_store: EventStore
    event_lists: EventLists
    holds: EventHolds
    ledger: EventLedger
    inventory: EventInventory
    change_reader: ChangeReader
    change_feed: ChangeFeed
    accounts: AccountStore
    venues: VenueStore
    creations: Creations
    venue_cache: VenueCache
    revision: Revision
    admin_auth: AdminAuth
    internal_keys: InternalKeys
    ready_check: ReadyCheck
    observer: Observer
    openapi: Callable[[], bytes]
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    cors_origins: frozenset[str] = frozenset()
    # What new events are sold in, unless they say otherwise.
    currency: str = CURRENCY_DEFAULT
