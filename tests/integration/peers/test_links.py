"""A link reports what was not sent and what is lost; both ends refuse bytes that are no frames."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import pytest

from actors.peers.link import LinkDown, LinkLost, PeerLink
from evently.domain.commands import Reserve, Return
from evently.domain.errors import OutcomeUnknown, Overloaded
from evently.domain.outcomes import (
    Done,
)
from tests.integration.peers.cluster import Cluster, Silent, ask_for
from tests.until import until


@pytest.mark.parametrize(
    "garbage", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
async def test_a_peer_that_talks_nonsense_is_cut_off(cluster: Cluster, garbage: bytes) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    # From Python 3.13 on the server has done so itself.
    cluster.path(0).unlink(missing_ok=True)

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(garbage)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(babble, str(cluster.path(0)))
    async with server:
        answer = await cluster.workers[1].ask(event_id, Reserve(1, None), "key")
        assert isinstance(answer, Done)
    assert len(await cluster.ledger(event_id)) == 1


@pytest.mark.parametrize(
    "garbage", [b"\x00\x00\x00\x01\xc1", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_a_worker_cuts_off_who_talks_nonsense_and_serves_the_others(
    cluster: Cluster, garbage: bytes
) -> None:
    event_id = await cluster.event(0)
    reader, writer = await asyncio.open_unix_connection(str(cluster.path(0)))
    writer.write(garbage)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    assert isinstance(await cluster.workers[1].ask(event_id, Reserve(1, None)), Done)


async def test_a_link_to_nobody_says_so_at_once(tmp_path: Path) -> None:
    link = PeerLink(tmp_path / "nobody.sock")
    began_s = time.monotonic()
    for _ in range(3):
        with pytest.raises(LinkDown):
            await link.ask("event", ask_for(Reserve(1, None)))
        with pytest.raises(LinkDown):
            await link.read("event")
    assert time.monotonic() - began_s < 0.5
    link.close()


async def test_closing_a_link_gives_up_what_is_under_way(cluster: Cluster) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    silent = Silent(await cluster.registry(), cluster.path(0))
    await silent.start()
    cluster._stack.push_async_callback(silent.stop)
    link = PeerLink(cluster.path(0))
    asked = asyncio.create_task(link.ask(event_id, ask_for(Return(1, None))))
    await until(lambda: bool(silent._streams))
    link.close()
    with pytest.raises(LinkLost):
        await asked


async def test_what_does_not_fit_a_link_is_no_proof_against_an_earlier_try(
    cluster: Cluster,
) -> None:
    event_id = await cluster.event(0)
    cluster.workers[0].crash()
    silent = Silent(await cluster.registry(), cluster.path(0))
    await silent.start()
    cluster._stack.push_async_callback(silent.stop)
    asking = cluster.workers[1]
    link = asking.links[0] = PeerLink(cluster.path(0), pending_max=1)
    first = ask_for(Return(1, None), "key")
    waiting = asyncio.create_task(asking.forwarder.ask(event_id, first))
    await until(lambda: len(link._waiting) == 1)

    for other in (ask_for(Return(1, None)), ask_for(Return(1, None), "other")):
        with pytest.raises(Overloaded):
            await asking.forwarder.ask(event_id, other)
    with pytest.raises(Overloaded):
        await asking.forwarder.read(event_id)
    with pytest.raises(OutcomeUnknown):
        await asking.forwarder.ask(event_id, first)
    assert asking.registry.unknown.holds(event_id, first)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
