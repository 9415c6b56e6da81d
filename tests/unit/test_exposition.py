"""The text of the metrics is made once a second at most, and never before it was asked for."""

import asyncio
import threading

import pytest

from evently.exposition import Exposition


class Text:
    """Counts how often it was made, in which threads, and how many at once."""

    def __init__(self) -> None:
        self.made = self.at_once = self.most_at_once = 0
        self.threads = set[int]()
        self.go = threading.Event()
        self.go.set()
        self.fault: Exception | None = None

    def make(self) -> bytes:
        self.threads.add(threading.get_ident())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.made += 1
        number = self.made
        assert self.go.wait(5)
        self.at_once -= 1
        if self.fault is not None:
            raise self.fault
        return b"%d" % number


async def test_all_who_ask_at_once_share_one_text() -> None:
    text = Text()
    exposition = Exposition(text.make, every_s=0.2)
    assert set(await asyncio.gather(*(exposition.text() for _ in range(50)))) == {b"1"}
    began_s = asyncio.get_running_loop().time()
    assert set(await asyncio.gather(*(exposition.text() for _ in range(50)))) == {b"2"}
    assert asyncio.get_running_loop().time() - began_s >= 0.19
    assert text.made == 2


async def test_who_asks_while_one_is_made_gets_the_next() -> None:
    text = Text()
    text.go.clear()
    exposition = Exposition(text.make, every_s=0.01)
    first = asyncio.create_task(exposition.text())
    async with asyncio.timeout(5):
        while not text.made:
            await asyncio.sleep(0.001)
    later = [asyncio.create_task(exposition.text()) for _ in range(10)]
    await asyncio.sleep(0.05)
    assert text.made == 1
    text.go.set()
    assert await first == b"1"
    assert set(await asyncio.gather(*later)) == {b"2"}
    assert text.most_at_once == 1
    assert threading.get_ident() not in text.threads


async def test_a_client_that_goes_takes_the_text_from_nobody() -> None:
    exposition = Exposition(Text().make, every_s=0.01)
    gone, stays = (asyncio.create_task(exposition.text()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == b"1"


async def test_a_text_that_fails_fails_for_those_who_wait_and_the_next_is_made() -> None:
    text = Text()
    text.fault = OSError("no such folder")
    exposition = Exposition(text.make, every_s=0.01)
    with pytest.raises(OSError, match="no such folder"):
        await exposition.text()
    text.fault = None
    assert await exposition.text() == b"2"
