"""How large the tables are is read in the background."""

import asyncio
from collections.abc import Callable, Mapping

import asyncpg
import pytest

from db.database import Database
from db.table_sizes import TableSize
from evently.domain.errors import DatabaseUnavailable
from evently.table_watch import TableWatch, watching_tables
from tests.until import until

ADD_VENUES = """
INSERT INTO venues (venue_id, name, address, city, country, capacity, created_by)
SELECT gen_random_uuid(), 'Hall', '1 Street', 'Oslo', 'Norway', 10, gen_random_uuid()
  FROM generate_series(1, 1000)
"""


async def test_each_table_has_its_bytes_and_rows(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(ADD_VENUES)
    await connection.execute("ANALYZE venues")
    expected = await connection.fetchval("SELECT pg_total_relation_size('venues')")
    await connection.close()
    read: dict[str, Callable[[], Mapping[str, float]]] = {}
    tasks = asyncio.all_tasks()
    async with Database(database_url) as database:
        async with watching_tables(
            database, lambda name, _, label, given: read.update({f"{name} {label}": given})
        ):
            await until(read["evently_table_bytes table"])
        assert asyncio.all_tasks() == tasks
    sizes, rows = read["evently_table_bytes table"](), read["evently_table_rows table"]()
    assert {"events", "event_ledger", "venues"} <= sizes.keys() == rows.keys()
    assert (sizes["venues"], rows["venues"]) == (expected, 1000)
    assert rows["event_ledger"] >= 0


async def test_the_last_figures_stay_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [DatabaseUnavailable("away"), ZeroDivisionError()]
    last = (TableSize("events", 1, 1.0),)

    class Failing(Database):
        async def fetch(self, *args: object, **options: object) -> list[asyncpg.Record]:
            raise wrong.pop(0)

    async def pause(_: float) -> None:
        if not wrong:
            await asyncio.Event().wait()

    watch = TableWatch(Failing("postgresql://nowhere"), sleep=pause)
    watch.sizes = last
    task = asyncio.create_task(watch.run())
    await until(lambda: not wrong)
    assert watch.sizes == last
    await until(lambda: "failed and starts again" in caplog.text)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
