"""Opens connections: the one way to a server, for pool, lanes, migrations, commands and checks.

Rule: every host of the URL is tried at the same time, each with its own timeout, and the first
that fits is taken. (The driver tries them one after another under a single timeout, so one silent
host in front of the new primary keeps every connection away from it, for good.)
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from db.failures import DRIVER_ERRORS

# A host that has not answered by then is not going to: the network is down or it is starting.
CONNECT_S = 2.0
# Every host costs a connection attempt each time; a cluster has three or five members.
HOSTS_MAX = 16

# How long closing a broken connection may take.
CLOSE_S = 1.0

SERVER_SETTINGS = {
    "application_name": "evently",
    "statement_timeout": "5000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "10000",
    "tcp_user_timeout": "5000",
    "timezone": "UTC",
    "jit": "off",
}

# What takes writes, and whatever answers first.
PRIMARY, ANY_SERVER = SessionAttribute.read_write, SessionAttribute.any

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def connect(
    dsn: str,
    *,
    command_timeout: float,
    server_settings: Mapping[str, str],
    target_session_attrs: SessionAttribute = PRIMARY,
    timeout: float = CONNECT_S,  # noqa: ASYNC109 - the driver calls it so, per host
    **others: Any,
) -> Connection:
    """A connection to the first host of `dsn` that answers as `target_session_attrs` asks.

    Raises what a server says when none does, or else what keeps the first host from answering.
    """
    open_one = partial(
        asyncpg.connect,
        timeout=timeout,
        command_timeout=command_timeout,
        server_settings=dict(server_settings),
        target_session_attrs=target_session_attrs,
        **others,
    )
    hosts = one_host_each(dsn)
    if len(hosts) == 1:
        return await open_one(hosts[0])
    return await _first_of([asyncio.create_task(open_one(host)) for host in hosts])


async def _first_of(attempts: "Sequence[asyncio.Task[Connection]]") -> Connection:
    """The first connection that is made; the other attempts are given up."""
    chosen: Connection | None = None
    try:
        for attempt in asyncio.as_completed(attempts):
            with suppress(Exception):
                chosen = await attempt
                return chosen
    finally:
        for task in attempts:
            task.cancel()
        for made in await asyncio.gather(*attempts, return_exceptions=True):
            if isinstance(made, asyncpg.Connection) and made is not chosen:
                made.terminate()
    faults = [fault for fault in (attempt.exception() for attempt in attempts) if fault]
    raise next((fault for fault in faults if isinstance(fault, asyncpg.PostgresError)), faults[0])


def one_host_each(dsn: str) -> tuple[str, ...]:
    """A URL for each host that `dsn` names, `dsn` itself where it names one or none.

    Hosts stand between commas before the path (`h1:5432,h2:5433`) or as `host` and `port` of the
    query, as libpq reads them. Raises ValueError for more than HOSTS_MAX.
    """
    url = urlsplit(dsn)
    user, at, hosts = url.netloc.rpartition("@")
    if "," in hosts:
        found = [url._replace(netloc=f"{user}{at}{host}") for host in hosts.split(",")]
    else:
        found = [url._replace(query=query) for query in _queries(url.query)]
    if len(found) > HOSTS_MAX:
        raise ValueError(f"a database URL names {HOSTS_MAX} hosts at most")
    return tuple(urlunsplit(one) for one in found) if len(found) > 1 else (dsn,)


def _queries(query: str) -> list[str]:
    """The query once for each host in it."""
    fields = dict(parse_qsl(query, keep_blank_values=True))
    hosts = fields.get("host", "").split(",")
    ports = fields.get("port", "").split(",")
    if len(hosts) == 1:
        return [query]
    if len(ports) == 1:
        ports *= len(hosts)
    return [
        urlencode(fields | {"host": host} | ({"port": port} if port else {}))
        for host, port in zip(hosts, ports, strict=True)
    ]


async def close(connection: Connection) -> None:
    """Close a connection, politely if that succeeds in time, else by force."""
    try:
        await connection.close(timeout=CLOSE_S)
    except DRIVER_ERRORS:
        connection.terminate()
