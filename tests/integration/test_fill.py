"""What the fill script makes is what sales would have left, and it goes on where it was stopped."""

import asyncpg
import pytest

from bench.fill import Progress, fill
from db.event_check import EventCheck
from evently.commands.verify import Verified, verify_events


async def test_a_filled_database_is_what_its_ledger_says(database_url: str) -> None:
    await fill(database_url, events=30, versions=5, hot=0)
    # Stopped and started again: what is there stays, what is missing is added.
    await fill(database_url, events=2030, versions=5, hot=101)
    async with EventCheck(database_url) as check:
        found = await verify_events(check, lambda line: None)
    assert found == Verified(2030, 2029 * 5 + 101, 0)
    connection = await asyncpg.connect(database_url)
    over = await connection.fetchval("SELECT count(*) FROM events WHERE end_datetime < now()")
    await connection.close()
    assert over == 1015


def test_the_bar_says_how_much_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("events", 200)
    for done in (0, 50, 200):
        progress.show(done)
    drawn = capsys.readouterr().err
    assert " 25% 50 of 200 events" in drawn
    assert drawn.endswith("100% 200 of 200 events, 0 s left \n")
