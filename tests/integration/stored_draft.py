"""An event in a real database, for tests in which actors then take it up."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from db.database import Database
from db.event_store import EventStore
from evently.domain.commits import Record
from evently.domain.event import created
from evently.domain.origin import Origin
from tests.examples import details


async def store_draft(dsn: str, event_id: str, venue_id: str, admin_id: str, seats: int) -> None:
    """Commit the first version of an event that starts tomorrow and costs 10.00 a seat."""
    now = datetime.now(UTC)
    said = details(
        event_id,
        venue_id=venue_id,
        start_datetime=now + timedelta(days=1),
        end_datetime=now + timedelta(days=2),
        base_price=Decimal("10.00"),
        created_by=admin_id,
        created_at=now,
    )
    state, entry = created(said, seats, now)
    async with Database(dsn) as database:
        store = EventStore(database, dsn)
        assert await store.create(
            state, Record(entry, uuid4().hex, "create", Origin("test", "request"))
        )
