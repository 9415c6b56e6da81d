"""Fills a migrated database with what years of sales leave: `python -m bench.fill URL`.

200 000 events, half of them over, and 12 000 000 ledger rows take some minutes and 6 GB. `--hot`
adds one event with many versions of its own. A run that was stopped goes on where it was.

Rule: every event is what its ledger says, so `evently verify` passes on the result.
"""

import asyncio
import shutil
import sys
import time
from pathlib import Path

import asyncpg
import click

from db.migrate import pending

EVENTS, VERSIONS = 200_000, 60
# Some 120 000 ledger rows: a transaction of a second or two.
CHUNK_EVENTS = 2000
# As many rows in one statement of the event that has many.
HOT_CHUNK = 200_000
BAR_MIN = 10

VENUES = """
INSERT INTO venues (venue_id, name, name_folded, address, address_folded, city, city_folded,
                    country, capacity, created_by)
SELECT md5('fill venue ' || n)::uuid, 'The Long Hall number ' || n, 'the long hall number ' || n,
       n || ' Main Street', n || ' main street', 'City ' || n % 20, 'city ' || n % 20,
       'US', 50000000, md5('admin')::uuid
  FROM generate_series(0, 999) AS n
    ON CONFLICT DO NOTHING
"""
HOT = """
WITH rows AS (
    INSERT INTO event_ledger (event_id, version, kind, seat_delta, capacity_delta, money_delta,
                              available_seats, status, request_key, request, caller, request_id,
                              recorded_at)
    SELECT md5('fill 1')::uuid, e.version + n,
           CASE n % 2 WHEN 1 THEN 'reserved' ELSE 'returned' END,
           CASE n % 2 WHEN 1 THEN -1 ELSE 1 END, 0, CASE n % 2 WHEN 1 THEN 25.50 ELSE -25.50 END,
           e.available_seats - n % 2, 'published', 'hot-' || e.version + n, 'fill', 'bench', 'fill',
           now() - (90 * (1 - (e.version + n) / $2::float8)) * interval '1 day'
      FROM events AS e, generate_series(1, $1::integer) AS n
     WHERE e.event_id = md5('fill 1')::uuid
)
UPDATE events SET version = version + $1::integer WHERE event_id = md5('fill 1')::uuid
RETURNING version
"""


class Progress:
    """A bar on the terminal's last line."""

    def __init__(self, what: str, whole: int) -> None:
        self._what, self._whole = what, whole
        self._started_s = time.monotonic()
        self._first: int | None = None

    def show(self, done: int) -> None:
        """Draw it for so many that are done."""
        if self._first is None:
            self._first, self._started_s = done, time.monotonic()
        part = min(done / self._whole, 1.0)
        gone_s = time.monotonic() - self._started_s
        fresh = done - self._first
        left_s = gone_s / fresh * (self._whole - done) if fresh else 0.0
        tail = f" {part:4.0%} {done:,} of {self._whole:,} {self._what}, {left_s:.0f} s left "
        width = max(BAR_MIN, shutil.get_terminal_size().columns - len(tail) - 3)
        bar = "#" * round(part * width)
        sys.stderr.write(f"\r[{bar:<{width}}]{tail}")
        if done >= self._whole:
            sys.stderr.write("\n")
        sys.stderr.flush()


async def fill(dsn: str, events: int, versions: int, hot: int) -> None:
    """Add what is still missing."""
    sql = Path(__file__).with_name("fill.sql").read_text(encoding="utf-8")
    connection = await asyncpg.connect(dsn)
    try:
        if await pending(connection):
            raise click.ClickException("run `evently migrate` on that database first")
        await connection.execute(VENUES)
        progress = Progress("events", events)
        for first in range(1, events + 1, CHUNK_EVENTS):
            progress.show(first - 1)
            last = min(first + CHUNK_EVENTS - 1, events)
            await connection.execute(sql, first, last, versions)
        progress.show(events)
        await _add_hot(connection, hot)
        click.echo("vacuum and analyze", err=True)
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()


async def _add_hot(connection: "asyncpg.Connection[asyncpg.Record]", versions: int) -> None:
    """Bring event 1 to so many versions."""
    has = await connection.fetchval(
        "SELECT version FROM events WHERE event_id = md5('fill 1')::uuid"
    )
    progress = Progress("versions of one event", versions)
    while has < versions:
        progress.show(has)
        has = await connection.fetchval(HOT, min(HOT_CHUNK, versions - has + 1) // 2 * 2, versions)
    if versions:
        progress.show(versions)


@click.command()
@click.argument("url")
@click.option("--events", default=EVENTS, show_default=True, help="Events, half of them over.")
@click.option("--versions", default=VERSIONS, show_default=True, help="Ledger rows of each.")
@click.option("--hot", default=0, help="Versions that one of the events gets.")
def main(url: str, events: int, versions: int, hot: int) -> None:
    """Fill the database at URL."""
    asyncio.run(fill(url, events, versions, hot))


if __name__ == "__main__":
    main()
