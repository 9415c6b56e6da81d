"""A service with an admin and a venue, for tests that use it as the client's consumers do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from evently_client import SyncAdminClient, Tokens
from tests.acceptance.service import Service, running


@dataclass(frozen=True, slots=True)
class Place:
    """Where events are made: at a real service, by an admin, in a venue for 1000."""

    url: str
    database_url: str
    tokens: Tokens
    venue_id: str


@contextmanager
def opened_place(database_url: str) -> Iterator[Place]:
    """A place while it lasts; at the end every event is what its ledger says."""
    with running(Service(database_url, 1)) as service:
        with SyncAdminClient(service.process.url) as admin:
            admin.register(f"{uuid4().hex}@example.org", "correct horse battery", "Ada")
            venue = admin.create_venue(
                name="Hall", address="1 Street", city="Oslo", country="Norway", capacity=1000
            )
            assert admin.tokens is not None
            place = Place(service.process.url, database_url, admin.tokens, venue.venue_id)
        yield place
        service.process.verify()
