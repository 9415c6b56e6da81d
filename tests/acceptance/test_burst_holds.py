"""`evently burst --holds` against the real service."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from click.testing import CliRunner

from evently.commands.burst import burst
from evently_client import AdminClient
from tests.acceptance.place import Place
from tests.acceptance.service_process import INTERNAL_KEY


async def test_an_opening_is_rehearsed(place: Place) -> None:
    start = datetime.now(UTC) + timedelta(days=30)
    async with AdminClient(place.url, place.tokens) as admin:
        draft = await admin.create_event(
            name="Night",
            venue_id=place.venue_id,
            event_type="concert",
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            total_capacity=100,
            base_price=Decimal("25.50"),
        )
        event = await admin.publish_event(draft.event_id, draft.version)
    options = ["--holds", "--requests", "300", "--confirms", "0.8", "--releases", "0.2"]
    options += ["--opens-in", "1s", "--event", event.event_id]
    options += ["--url", place.url, "--key", INTERNAL_KEY]
    played = await asyncio.to_thread(CliRunner().invoke, burst, options)

    assert played.exit_code == 0, played.output
    lines = played.stdout.splitlines()
    assert lines[0].startswith("64 clients wait until ")
    assert lines[1] == "300 holds by 64 clients on 1 event"
    found = dict(line.split(maxsplit=1) for line in lines if line.startswith("  "))
    assert found["confirmed"] == "100 seats"
    assert "INSUFFICIENT_SEATS" in found["refused"]
    assert (found["left"], found["unknown"]) == ("0", "0")
    assert found["first"].endswith("ms after the opening")
    assert lines[-1] == "nothing oversold: seats and versions add up"
