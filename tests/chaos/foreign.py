"""Others who use the same database: they hold locks, take connections, write past the service.

Rule: whatever they do is what another client of the database could do; what they write keeps the
ledger true, under keys of their own.
"""

import asyncio
import random
from contextlib import suppress
from uuid import uuid4

import asyncpg

from tests.chaos.ledger import FOREIGN
from tests.chaos.server import CONNECTIONS_MAX
from tests.chaos.stage import Stage

# Between two versions written by somebody else.
WRITE_EVERY_S = 0.02
# The service takes them again, so it is a race, which one who asks at once and often wins: late, on
# a machine where others are busy.
TAKEN_WITHIN_S = 45.0

_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_WRITE = """
WITH moved AS (
    UPDATE events
       SET available_seats = available_seats - 1, version = version + 1,
           revenue = revenue + base_price, updated_at = now(),
           status = CASE WHEN available_seats = 1 THEN 'sold_out' ELSE 'published' END
     WHERE event_id = $1 AND status = 'published'
    RETURNING event_id, version, available_seats, status, base_price
)
INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                          available_seats, status, request_key, request, caller, request_id)
SELECT event_id, version, 'reserved', -1, 0, base_price, available_seats, status, $2, '-1 at *',
       $3, $2
  FROM moved
"""


async def hold_row(stage: Stage, event_id: str) -> None:
    """Hold an event's row until cancelled."""
    await _hold(stage, "SELECT FROM events WHERE event_id = $1 FOR UPDATE", event_id)


async def hold_table(stage: Stage) -> None:
    """Hold the ledger against writers until cancelled."""
    await _hold(stage, "LOCK TABLE event_ledger IN EXCLUSIVE MODE")


async def _hold(stage: Stage, lock: str, *values: object) -> None:
    async def act(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        async with connection.transaction():
            await connection.execute(lock, *values)
            await asyncio.Event().wait()

    # Another fault may end the connection.
    with suppress(*_LOST):
        await stage.past_the_proxy(act)


async def write(stage: Stage, seed: int) -> None:
    """Take seats of any event, one at a time, until cancelled."""
    dice = random.Random(seed)  # noqa: S311 - choices that can be repeated

    async def act(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        while True:
            event_id = dice.choice(stage.events)
            await connection.execute(_WRITE, event_id, f"{FOREIGN}-{uuid4()}", FOREIGN)
            await asyncio.sleep(WRITE_EVERY_S)

    with suppress(*_LOST):
        await stage.past_the_proxy(act)


async def take_every_connection(dsn: str) -> list["asyncpg.Connection[asyncpg.Record]"]:
    """Connections that do nothing, all that the server has; the service's are closed for it."""
    held: list[asyncpg.Connection[asyncpg.Record]] = []
    async with asyncio.timeout(TAKEN_WITHIN_S):
        while len(held) < CONNECTIONS_MAX:
            try:
                held.append(await asyncpg.connect(dsn))
            except asyncpg.TooManyConnectionsError:
                # What is left is the service's: close it, and be the first to take its place.
                await held[0].execute(_TERMINATE)
    return held


async def give_back(held: list["asyncpg.Connection[asyncpg.Record]"]) -> None:
    """Close these connections."""
    for connection in held:
        connection.terminate()


_TERMINATE = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name LIKE 'evently%'
"""
