"""What docs/operations.md tells an operator about old months, done as it stands there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from evently.embedded import running_dsn
from tests.acceptance.expectations import expect
from tests.acceptance.runbook import blocks, follow, serving
from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer

AGE = """
UPDATE events SET start_datetime = '2025-12-14 19:00Z', end_datetime = '2025-12-14 22:00Z',
                  version = version + 1, terms_version = version + 1
"""
NOTE = """
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT event_id, version, 'updated', 0, 0, 0, available_seats, status, 'age', '', 'test', 'test'
  FROM events
"""


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    """One with a database of its own, so that all its events may be given another time."""
    service = Service(None, 1, data_dir=data_dir)
    yield service
    service.process.discard()


async def report(service: Service, event_id: str, name: str) -> Any:
    path = f"/api/v1/admin/events/{event_id}/{name}"
    answer: Answer = await service.api.call("GET", path, headers=await service.clients.admin())
    return answer.json


async def test_a_month_is_archived_beside_the_service_and_comes_back(
    service: Service, data_dir: Path
) -> None:
    archive, restore = blocks("Archive old months", "bash")
    archives = data_dir.parent / "archives"
    async with serving(service):
        event_id = (await service.clients.published_event())["event_id"]
        await service.clients.reserve(event_id, 3, key="sold")
        dsn = running_dsn(data_dir)
        assert dsn is not None
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"{AGE}; {NOTE}")
        await connection.close()
        before = await report(service, event_id, "analytics")
        assert before["tickets_sold"] == 3

        planned, archived, verified = follow(service, archive, "/archives", archives)

        assert planned == "2025-12: 1 events, 4 versions\n"
        assert archived == f"{archives / '2025-12'}: 1 events, 4 versions\n"
        assert "every event equals its ledger" in verified
        answer = await service.clients.move(event_id, 1, endpoint="return-seats", key="late")
        expect(answer, 409, "EVENT_NOT_MODIFIABLE")
        assert answer.json["error"]["message"] == "Event is archived and can no longer change"
        assert await report(service, event_id, "analytics") == {**before, "archived": True}
        history = await report(service, event_id, "history")
        assert (history["history"], history["total"], history["archived"]) == ([], 4, True)

        restored, verified = follow(service, restore, "/archives", archives)

        assert restored.startswith("restored 1 events")
        assert "every event equals its ledger" in verified
        answer = await service.clients.move(event_id, 1, endpoint="return-seats", key="later")
        assert answer.status == 200
        assert len((await report(service, event_id, "history"))["history"]) == 5
