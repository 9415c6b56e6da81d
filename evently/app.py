"""Puts one worker's parts together, and takes them apart again in order.

Rule: this is the only place that knows both a store and an actor; everything below gets what it
needs handed to it.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from actors.bulk_moves import BulkMoves
from actors.clock import DatabaseClock
from actors.peers.forwarder import Events, Forwarder
from actors.peers.link import PeerLink
from actors.peers.ring import Ring
from actors.peers.server import PeerServer
from actors.registry import Registry
from db.account_store import AccountStore
from db.admin_store import AdminStore
from db.audit_store import AuditStore
from db.change_feed import ChangeReader
from db.creations import Creations
from db.database import ACTOR_POOL_MAX, Database
from db.event_holds import EventHolds
from db.event_inventory import EventInventory
from db.event_ledger import EventLedger
from db.event_lists import EventListReader
from db.event_store import EventStore
from db.readiness import ReadyCheck
from db.refresh_store import RefreshStore
from db.refusal_store import RefusalStore
from db.throttle_store import ThrottleStore
from db.venue_store import VenueStore
from evently.database_check import checking_database
from evently.domain.errors import Fault
from evently.drift import watching_database
from evently.hold_sweeping import sweeping_holds
from evently.metrics import Metrics
from evently.process_figures import watch_process
from evently.refusal_pruning import pruning_refusals
from evently.settings import Settings
from evently.table_watch import watching_tables
from routes.api import ENDPOINTS
from routes.auth.admin_tokens import AdminTokens
from routes.auth.bearer import Bearer
from routes.auth.client_address import ClientAddress
from routes.auth.internal_keys import InternalKeys
from routes.auth.passwords import Passwords
from routes.auth.registration import Registration
from routes.auth.sessions import Sessions
from routes.auth.throttle import Throttle
from routes.auth.user_service import UserService
from routes.caches.change_feed import ChangeFeed
from routes.caches.event_lists import EventLists
from routes.caches.replica import Replica
from routes.caches.revision import Revision
from routes.caches.venue_cache import VenueCache
from routes.openapi.document import encoded_document
from routes.server.admission import Admission
from routes.server.connection import EdgeServer
from routes.server.dispatch import Dispatcher
from routes.server.fast_path import FastPath
from routes.server.targets import Targets
from routes.services import AdminAuth, Lifecycle, Services

# How often figures that are not counted as they change (pool, actors) are read for the metrics.
POLL_S = 1.0
# Workers that took over its events find this one again within 0.1 s of its start.
SETTLE_S = 1.0


@dataclass(frozen=True)
class Node:
    """The workers of this machine, which of them this one is, and the release that it runs."""

    index: int
    workers: int
    run_dir: Path
    release: str

    def socket(self, index: int) -> Path:
        """Where worker `index` listens for the others of its release.

        Files that are replaced under a running node put two releases side by side, at the next
        SIGHUP or after a crash; what they cannot reach, each takes for a worker that is away.
        """
        return self.run_dir / f"worker-{index}-{self.release}.sock"

    @cached_property
    def ring(self) -> Ring:
        """Who owns which event."""
        return Ring(self.workers)


@asynccontextmanager
async def _admin_auth(
    settings: Settings, database: Database, metrics: Metrics
) -> AsyncIterator[AdminAuth]:
    """Authenticate admins; the bcrypt thread and the user service's connections end with it."""
    admins = AdminStore(database)
    secret = settings.jwt_secret.get_secret_value()
    tokens = AdminTokens(secret, ttl_s=settings.access_token_ttl_s)
    throttle = Throttle(ThrottleStore(database))
    async with AsyncExitStack() as stack:
        user_service = None
        if settings.user_service_url is not None:
            first_key = next(iter(settings.internal_api_keys.values()))[0]
            key = settings.user_service_api_key or first_key
            user_service = UserService(settings.user_service_url, key.get_secret_value())
            stack.push_async_callback(user_service.close)
        passwords = Passwords()
        stack.callback(passwords.close)
        yield AdminAuth(
            bearer=Bearer(admins, tokens, user_service),
            registration=Registration(
                admins=admins,
                tokens=tokens,
                passwords=passwords,
                throttle=throttle,
                is_open=settings.registration == "open",
                refresh_ttl_s=settings.refresh_token_ttl_s,
            ),
            sessions=Sessions(
                admins=admins,
                refreshes=RefreshStore(database),
                audit=AuditStore(database),
                tokens=tokens,
                passwords=passwords,
                throttle=throttle,
                observer=metrics,
                refresh_ttl_s=settings.refresh_token_ttl_s,
            ),
            addresses=ClientAddress(settings.trusted_proxies),
        )


@asynccontextmanager
async def running_services(
    settings: Settings,
    dsn: str,
    metrics: Metrics,
    revision: Revision,
    node: Node | None = None,
) -> AsyncIterator[Services]:
    """One worker's services, started; at the end everything admitted is answered first.

    Without a `node` this process owns every event.
    """
    async with AsyncExitStack() as stack:
        commit_dsn = settings.commit_dsn(dsn)
        database = await stack.enter_async_context(Database(dsn, commit_dsn=commit_dsn))
        replica = None
        if settings.read_database_url is not None:
            read_dsn = settings.read_database_url.get_secret_value()
            replica = await stack.enter_async_context(Database(read_dsn, writable=False))
        actor_reads = await stack.enter_async_context(Database(dsn, pool_max=ACTOR_POOL_MAX))
        store = EventStore(database, commit_dsn, reads=actor_reads)
        clock = DatabaseClock()
        registry = Registry(store, clock, metrics)
        change_reader = ChangeReader(database)
        change_feed = ChangeFeed(change_reader, metrics.changes_waited)
        metrics.watch(
            "evently_changes_waiting",
            "Clients that wait for the next change",
            lambda: change_feed.waiting,
        )
        store.when_changed(change_feed.nudge)
        stack.push_async_callback(change_feed.stop)
        auth = await stack.enter_async_context(_admin_auth(settings, database, metrics))
        venues = VenueStore(database)
        lists = EventListReader(database)
        keeping_up = Replica(EventListReader(replica), lists, revision) if replica else None
        event_lists = EventLists(lists, revision, replica=keeping_up)
        stack.push_async_callback(event_lists.stop)
        store.when_lost(event_lists.forget)
        event_lists.warm()
        venue_cache = VenueCache(venues, revision)
        stack.push_async_callback(venue_cache.stop)
        check = await stack.enter_async_context(checking_database(dsn, commit_dsn))
        with suppress(Fault):
            if check.problem is None:
                asked_at_s = clock.monotonic()
                clock.tell((await store.load([])).now, asked_at_s)
        registry.start()
        stack.push_async_callback(registry.stop)
        events = await stack.enter_async_context(_forwarding(node, registry)) if node else registry
        _watch(metrics, registry, database, actor_reads)
        watch_process(metrics)
        if keeping_up is not None:
            metrics.watch(
                "evently_replica_read",
                "Workers whose lists come from the replica",
                lambda: float(keeping_up.usable),
            )
        if node is None or node.index == 0:
            for chore in (
                watching_database(commit_dsn, database, metrics.watch, metrics.watch_total),
                watching_tables(database, metrics.watch_each),
                pruning_refusals(RefusalStore(database), metrics.watch, metrics.watch_total),
                sweeping_holds(dsn, events, metrics.watch),
            ):
                await stack.enter_async_context(chore)
        await stack.enter_async_context(_polling(metrics))
        keys = {
            name: [key.get_secret_value() for key in its]
            for name, its in settings.internal_api_keys.items()
        }

        def drain() -> None:
            registry.distrust(math.inf)
            change_feed.drain()

        yield Services(
            events=events,
            bulk_moves=_bulk_moves(events, registry, metrics),
            lifecycle=Lifecycle(on_drain=drain),
            event_store=store,
            event_lists=event_lists,
            holds=EventHolds(database),
            ledger=EventLedger(database),
            inventory=EventInventory(database),
            change_reader=change_reader,
            change_feed=change_feed,
            accounts=AccountStore(database),
            venues=venues,
            creations=Creations(database),
            venue_cache=venue_cache,
            revision=revision,
            admin_auth=auth,
            internal_keys=InternalKeys(keys),
            ready_check=ReadyCheck(database.witness, lambda: check.problem),
            observer=metrics,
            openapi=encoded_document(ENDPOINTS),
            cors_origins=settings.cors_origins,
            currency=settings.currency,
        )


def _bulk_moves(events: Events, registry: Registry, metrics: Metrics) -> BulkMoves:
    moves = BulkMoves(events.submit, registry.unknown)
    metrics.watch(
        "evently_bulk_moves_waiting",
        "Moves of large requests that wait behind others",
        lambda: moves.waiting,
    )
    return moves


@asynccontextmanager
async def _forwarding(node: Node, registry: Registry) -> AsyncIterator[Forwarder]:
    """Answer the other workers, and reach them."""
    registry.distrust(SETTLE_S)
    peer_server = PeerServer(registry, node.socket(node.index))
    await peer_server.start()
    others = (index for index in range(node.workers) if index != node.index)
    links = {index: PeerLink(node.socket(index)) for index in others}
    try:
        yield Forwarder(node.index, node.ring, registry, links)
    finally:
        await peer_server.stop()
        for link in links.values():
            link.close()


def server(services: Services) -> EdgeServer:
    """The HTTP server in front of the services."""
    admission = Admission(services)
    fast_path = FastPath(Targets(ENDPOINTS), admission)
    return EdgeServer(Dispatcher(ENDPOINTS, admission), services.observer, fast_path)


def _watch(metrics: Metrics, registry: Registry, *pools: Database) -> None:
    metrics.watch("evently_workers", "Worker processes that serve", lambda: 1.0)
    metrics.watch("evently_actors", "Events in memory", lambda: registry.alive)
    metrics.watch(
        "evently_mailbox_depth", "Requests pending in mailboxes", lambda: registry.pending
    )
    metrics.watch(
        "evently_pool_connections", "Open connections", lambda: sum(pool.size for pool in pools)
    )
    metrics.watch(
        "evently_pool_in_use", "Connections at work", lambda: sum(pool.in_use for pool in pools)
    )
    metrics.watch(
        "evently_database_reachable",
        "Workers whose last commit reached the database",
        lambda: float(registry.reachable),
    )


@asynccontextmanager
async def _polling(metrics: Metrics) -> AsyncIterator[None]:
    async def poll() -> None:
        while True:
            metrics.poll()
            await asyncio.sleep(POLL_S)

    task = asyncio.create_task(poll(), name="metrics-poll")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        metrics.poll()
