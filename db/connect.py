"""Opens connections: the one way to a server, for pool, lanes, migrations, commands and checks.

Rule: every host of the URL is tried at the same time, each with its own timeout, and the first
that fits is taken. (The driver tries them one after another under a single timeout, so one silent
host in front of the new primary keeps every connection away from it, for good.)
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from db.failures import DRIVER_ERRORS
from db.url import read_url

# A host that has not answered by then is not going to: the network is down or it is starting. A
# `connect_timeout` in the URL comes before this.
CONNECT_S = 2.0

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
    **others: Any,
) -> Connection:
    """A connection to the first host of `dsn` that answers as `target_session_attrs` asks.

    If it asks for any server, `dsn` may ask for more. Raises what a server says when none does, or
    else what keeps the first host from answering.
    """
    url = read_url(dsn)
    if target_session_attrs is ANY_SERVER and url.target_session_attrs is not None:
        target_session_attrs = SessionAttribute(url.target_session_attrs)
    if url.system_roots:
        others = {**others, "ssl": _system_roots()}
    open_one = partial(
        asyncpg.connect,
        timeout=url.connect_timeout_s or CONNECT_S,
        command_timeout=command_timeout,
        server_settings={**server_settings, **url.server_settings},
        target_session_attrs=target_session_attrs,
        **others,
    )
    if len(url.hosts) == 1:
        return await open_one(url.hosts[0])
    return await _first_of([asyncio.create_task(open_one(host)) for host in url.hosts])


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


@cache
def _system_roots() -> ssl.SSLContext:
    """TLS with the certificates that this machine trusts, which take milliseconds to read."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    return context


async def close(connection: Connection) -> None:
    """Close a connection, politely if that succeeds in time, else by force."""
    try:
        await connection.close(timeout=CLOSE_S)
    except DRIVER_ERRORS:
        connection.terminate()
