"""Heads that are too long, or do not end: what is refused, what is not, and what is kept."""

import pytest

from routes.server.arriving_heads import HEAD_BYTES_MAX, ArrivingHead, ArrivingHeads
from tests.unit.one_connection import MOVE, READ, RESERVE, Client, connected, done, request, until

LINE = b"X-Filler: " + 4000 * b"x" + b"\r\n"


def head_of(size: int) -> bytes:
    """A request that reads an event, with a line and headers of so many bytes."""
    start, end = request("GET", READ).split(b"\r\n\r\n")[0] + b"\r\n", b"\r\n"
    while len(start) + len(LINE) + 100 < size:
        start += LINE
    # "GET" and the path count; the version, the spaces and the last empty line do not.
    counted = len(start) - len(b"  HTTP/1.1\r\n")
    return start + b"X-Rest: " + (size - counted - 10) * b"y" + b"\r\n" + end


@pytest.fixture
async def client() -> Client:
    return await connected()


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_head_of_just_the_bound_is_answered(client: Client, pieces: int) -> None:
    send(client, head_of(HEAD_BYTES_MAX if pieces == 1 else HEAD_BYTES_MAX - 100), pieces)

    assert client.statuses() == [200]
    assert client.server.heads.bytes == 0


@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_longer_head_is_refused_and_nothing_follows_it(client: Client, pieces: int) -> None:
    send(client, head_of(HEAD_BYTES_MAX + 1), pieces)
    client.send("GET", READ)
    await until(lambda: client.wire.ended)

    ((status, headers, body),) = client.answers()
    assert (status, headers["Connection"]) == (431, "close")
    assert body["error"]["code"] == "VALIDATION_ERROR"
    assert "32 KiB" in body["error"]["message"]


async def test_a_head_that_does_not_end_is_refused_at_the_bound(client: Client) -> None:
    client.connection.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(HEAD_BYTES_MAX // len(LINE)):
        client.connection.data_received(LINE)
    assert client.wire.written == b""

    client.connection.data_received(LINE)
    await until(lambda: client.wire.ended)

    assert client.statuses() == [431]


async def test_requests_before_it_are_answered_first(client: Client) -> None:
    client.connection.data_received(request("POST", RESERVE, MOVE))
    client.connection.data_received(b"GET / HTTP/1.1\r\n" + 7 * LINE)
    client.connection.data_received(3 * LINE)
    assert client.wire.written == b""
    client.events.asked[0][1].set_result(done(3))
    await until(lambda: client.wire.ended)

    assert client.statuses() == [200, 431]


async def test_heads_that_arrive_together_share_a_bound() -> None:
    heads = ArrivingHeads(bytes_max=100)
    one, other = ArrivingHead(heads), ArrivingHead(heads)
    assert one.grew(60) is None
    assert other.grew(40) is None

    error = other.grew(1)

    assert error is not None
    assert (error.status, error.headers) == (503, {"Retry-After": "1"})
    one.forget()
    assert other.grew(59) is None
    assert heads.bytes == 100


async def test_a_connection_that_ends_is_not_counted(client: Client) -> None:
    client.connection.data_received(b"GET / HTTP/1.1\r\n" + LINE)
    assert client.server.heads.bytes > len(LINE)

    client.connection.connection_lost(None)

    assert client.server.heads.bytes == 0


@pytest.mark.parametrize("size", [1_000, 50_000, 1_000_000])
async def test_many_short_requests_at_once_are_no_long_head(client: Client, size: int) -> None:
    many = 1000 * request("GET", READ)
    for start in range(0, len(many), size):
        client.connection.data_received(many[start : start + size])
        await until(lambda: client.connection.idle)

    assert client.statuses() == 1000 * [200]
    assert client.server.heads.bytes == 0


async def test_a_body_is_no_head(client: Client) -> None:
    raw = request("POST", "/api/v1/auth/admin/login", '{"a":"' + 60_000 * "b" + '"}')
    send(client, raw, 5)
    await until(lambda: bool(client.wire.written))

    assert client.statuses() == [400]
    assert client.server.heads.bytes == 0


def send(client: Client, raw: bytes, pieces: int) -> None:
    size = -(-len(raw) // pieces)
    for start in range(0, len(raw), size):
        client.connection.data_received(raw[start : start + size])
