"""The same clients for code that is not asynchronous.

They run the asynchronous clients on an event loop in a thread, rather than on `http.client`: there
is one set of rules for retries and keys, and any number of threads share the connections.

Rule: a call that is interrupted (Ctrl-C, the exception of a signal handler) is cancelled before its
caller goes on, and `key_of` that exception tells its key.
"""

import asyncio
import copy
import functools
import os
import ssl as tls
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from enum import Enum
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from .admin import AdminClient
from .answers import Change, ChangePage, Tokens
from .booking import EventServiceClient
from .calls import Calls, RetryHook
from .course import ClientLimits
from .errors import carry_key, key_of
from .feed import Changes
from .public import PublicClient
from .transport import Transport

T = TypeVar("T")
P = ParamSpec("P")
A = TypeVar("A", bound=Calls)
S = TypeVar("S", bound="SyncCalls[Any]")

# Cancelling a call takes a turn of the loop; a loop that is stuck must not keep Ctrl-C waiting.
CANCEL_S = 1.0


class _LoopThread:
    """An event loop in a thread of its own, started by the first call.

    A client may be made before a fork, but not used before it: the thread is not in the child.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def run(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the coroutine; whatever interrupts the wait cancels it."""
        loop = self._running()
        ended = threading.Event()
        keys: list[str | None] = []

        async def watched() -> T:
            try:
                return await begin()
            except asyncio.CancelledError as cancelled:
                keys.append(key_of(cancelled))
                raise
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(watched(), loop)
        try:
            return future.result()
        except BaseException as interruption:
            if not future.done():
                future.cancel()
                ended.wait(CANCEL_S)
                carry_key(interruption, keys[0] if keys else None)
            raise

    def stop(self) -> None:
        """End the thread."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="evently-client", daemon=True
                )
                self._thread.start()
            if self._pid != os.getpid():
                raise RuntimeError("This client was used before the fork: make one in each process")
            return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _waits(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Any, P], T]:
    """The synchronous form of a client's method, with the same arguments and documentation."""

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = self._thread.run(lambda: method(self._client, *args, **kwargs))
        return result

    return call


def _enters(
    method: Callable[Concatenate[Any, P], AbstractAsyncContextManager[T]],
) -> Callable[Concatenate[Any, P], AbstractContextManager[T]]:
    """The synchronous form of a method that is for `async with`."""

    @functools.wraps(method)
    @contextmanager
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        manager = method(self._client, *args, **kwargs)
        entered: T = self._thread.run(manager.__aenter__)
        try:
            yield entered
        except BaseException as error:
            ended = error
            self._thread.run(lambda: manager.__aexit__(type(ended), ended, ended.__traceback__))
            raise
        self._thread.run(lambda: manager.__aexit__(None, None, None))

    return call


def _iterates(
    method: Callable[Concatenate[Any, P], AsyncIterator[T]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """The synchronous form of a method that is for `async for`."""

    @functools.wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _each(self._thread, method(self._client, *args, **kwargs))

    return call


def _each(thread: _LoopThread, items: AsyncIterator[T]) -> Iterator[T]:
    """The items one by one."""

    async def following() -> T | _End:
        # A StopAsyncIteration would not go through a future.
        return await anext(items, _End.END)

    while not isinstance(item := thread.run(following), _End):
        yield item


class _End(Enum):
    END = "no more items"


class SyncChanges:
    """A feed that is followed, without `await`; `cursor` and the rest as for `Changes`."""

    def __init__(self, thread: _LoopThread, changes: Changes) -> None:
        self._thread = thread
        self._changes = changes

    @property
    def cursor(self) -> str | None:
        """Where to go on."""
        return self._changes.cursor

    def __iter__(self) -> Iterator[Change]:
        return _each(self._thread, aiter(self._changes))

    def pages(self) -> Iterator[ChangePage]:
        """The changes as they were read."""
        return _each(self._thread, self._changes.pages())


class SyncCalls(Generic[A]):
    """What the synchronous clients share. Use one as a context manager, or `close` it.

    Any number of threads may use one client. The retry hook runs in the client's own thread.
    """

    def __init__(self, client: A) -> None:
        self._client = client
        self._thread = _LoopThread()

    def with_options(
        self: S,
        *,
        timeout_s: float | None = None,
        request_id: str | None = None,
        traceparent: str | None = None,
    ) -> S:
        """The same client with options for its calls, as `Calls.with_options` has it."""
        view = copy.copy(self)
        view._client = self._client.with_options(  # noqa: SLF001 - it is of the same class
            timeout_s=timeout_s, request_id=request_id, traceparent=traceparent
        )
        return view

    def close(self) -> None:
        """Close all connections and end the client's thread."""
        self._thread.run(self._client.close)
        self._thread.stop()

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class SyncEventServiceClient(SyncCalls[EventServiceClient]):
    """`EventServiceClient` without `await`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            EventServiceClient(
                url, api_key, ssl=ssl, limits=limits, on_retry=on_retry, transport=transport
            )
        )

    get_event = _waits(EventServiceClient.get_event)
    reserve = _waits(EventServiceClient.reserve)
    return_seats = _waits(EventServiceClient.return_seats)
    move_many = _waits(EventServiceClient.move_many)
    hold = _waits(EventServiceClient.hold)
    holding = _enters(EventServiceClient.holding)
    hold_all = _waits(EventServiceClient.hold_all)
    change_hold = _waits(EventServiceClient.change_hold)
    confirm = _waits(EventServiceClient.confirm)
    release = _waits(EventServiceClient.release)
    find_hold = _waits(EventServiceClient.find_hold)
    list_holds = _waits(EventServiceClient.list_holds)
    latest_cursor = _waits(EventServiceClient.latest_cursor)
    read_changes = _waits(EventServiceClient.read_changes)
    snapshot = _iterates(EventServiceClient.snapshot)
    find_events = _waits(EventServiceClient.find_events)

    def changes(
        self, after: str | None = None, *, kinds: Sequence[str] = (), limit: int = 100
    ) -> SyncChanges:
        """Follow the feed from a cursor, as `EventServiceClient.changes` does, with a `for`."""
        return SyncChanges(self._thread, self._client.changes(after, kinds=kinds, limit=limit))


class SyncPublicClient(SyncCalls[PublicClient]):
    """`PublicClient` without `await`."""

    def __init__(
        self,
        url: str,
        *,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            PublicClient(url, ssl=ssl, limits=limits, on_retry=on_retry, transport=transport)
        )

    list_events = _waits(PublicClient.list_events)
    get_event = _waits(PublicClient.get_event)
    get_availability = _waits(PublicClient.get_availability)


class SyncAdminClient(SyncCalls[AdminClient]):
    """`AdminClient` without `await`."""

    def __init__(
        self,
        url: str,
        tokens: Tokens | None = None,
        *,
        ssl: tls.SSLContext | None = None,
        limits: ClientLimits | None = None,
        on_retry: RetryHook | None = None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(
            AdminClient(url, tokens, ssl=ssl, limits=limits, on_retry=on_retry, transport=transport)
        )

    @property
    def tokens(self) -> Tokens | None:
        """The pair of tokens now."""
        return self._client.tokens

    register = _waits(AdminClient.register)
    log_in = _waits(AdminClient.log_in)
    log_out = _waits(AdminClient.log_out)
    create_event = _waits(AdminClient.create_event)
    get_event = _waits(AdminClient.get_event)
    list_events = _waits(AdminClient.list_events)
    update_event = _waits(AdminClient.update_event)
    publish_event = _waits(AdminClient.publish_event)
    cancel_event = _waits(AdminClient.cancel_event)
    get_analytics = _waits(AdminClient.get_analytics)
    get_history = _waits(AdminClient.get_history)
    create_venue = _waits(AdminClient.create_venue)
    get_venue = _waits(AdminClient.get_venue)
    list_venues = _waits(AdminClient.list_venues)
    update_venue = _waits(AdminClient.update_venue)
    delete_venue = _waits(AdminClient.delete_venue)
