"""A booking service in front of one event: it holds seats, and ends its holds."""

from typing import Any

from tests.acceptance.service import Service
from tests.acceptance.service_api import Answer

# As if the holds had been placed so long ago that their time has passed. The fence tells workers
# that what they remember of them is not so; nobody else changes a hold without a version.
AGE = """
WITH moved AS (UPDATE events SET fence = fence + 1 WHERE event_id = $1)
UPDATE event_holds
   SET held_at = held_at - interval '1 hour', expires_at = expires_at - interval '1 hour'
 WHERE event_id = $1 AND status = 'held'
"""


class Booking:
    """What the booking service does with the holds of one event."""

    def __init__(self, service: Service, event_id: str) -> None:
        self.service = service
        self.event_id = event_id
        self.path = f"/internal/events/{event_id}/holds"

    async def call(
        self, method: str, path: str = "", key: str | None = None, **body: Any
    ) -> Answer:
        headers = dict(self.service.api.internal)
        if key is not None:
            headers["Idempotency-Key"] = key
        sent: dict[str, Any] = {"body": body} if body else {}
        return await self.service.api.call(method, f"{self.path}{path}", headers=headers, **sent)

    async def place(self, quantity: int = 1, key: str | None = None, **more: Any) -> Answer:
        return await self.call("POST", key=key, quantity=quantity, **more)

    async def placed(self, quantity: int = 1, **more: Any) -> str:
        answer = await self.place(quantity, **more)
        assert answer.status == 201, answer
        hold_id: str = answer.json["hold"]["hold_id"]
        return hold_id

    async def confirm(self, hold_id: str, key: str | None = None, **body: Any) -> Answer:
        return await self.call("POST", f"/{hold_id}/confirm", key, **body)

    async def release(self, hold_id: str, key: str | None = None) -> Answer:
        return await self.call("DELETE", f"/{hold_id}", key)

    async def reserve(self, quantity: int = 1) -> Answer:
        return await self.service.clients.reserve(self.event_id, quantity)

    async def age(self) -> None:
        """Let the time of all holds pass."""
        await self.service.database.rows(AGE, self.event_id)

    async def kinds(self) -> list[str]:
        return [row["kind"] for row in await self.service.database.ledger(self.event_id)]

    async def numbers(self) -> tuple[int, int, str]:
        """Free seats, held seats and the status, as the event's row has them."""
        (row,) = await self.service.database.rows(
            "SELECT available_seats, held_seats, status FROM events WHERE event_id = $1",
            self.event_id,
        )
        return row["available_seats"], row["held_seats"], row["status"]


async def booking(service: Service, **event: Any) -> Booking:
    made = await service.clients.published_event(**event)
    return Booking(service, made["event_id"])
