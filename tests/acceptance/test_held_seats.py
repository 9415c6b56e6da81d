"""What an organiser is told of the seats that are in holds."""

from tests.acceptance.booking import Booking
from tests.acceptance.service import Service


async def test_an_admin_sees_held_seats_apart_from_sold_ones(service: Service) -> None:
    # One whose list has nothing else.
    headers = await service.clients.register_admin()
    venue = await service.clients.create_venue(headers)
    draft = await service.clients.create_event(headers, venue["venue_id"], total_capacity=50)
    event = await service.clients.publish(headers, draft)
    of = Booking(service, event["event_id"])
    hold_id = await of.placed(3)
    await of.reserve(2)

    async def told(path: str) -> tuple[int, int, int]:
        answer = await service.api.call("GET", path, headers=headers)
        found = answer.json["events"][0] if "events" in answer.json else answer.json
        return found["total_capacity"], found["available_seats"], found["held_seats"]

    paths = (f"/api/v1/admin/events/{of.event_id}", "/api/v1/admin/events")
    for path in paths:
        assert await told(path) == (50, 45, 3)
    await of.confirm(hold_id)
    for path in paths:
        assert await told(path) == (50, 45, 0)
