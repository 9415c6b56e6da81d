"""Every kind of fault: how it is injected, and how it ends.

Rule: a fault is a context manager. It is injected on entering, lasts for as long as the block,
and has ended, whatever else went wrong meanwhile, when the block is left. It says in its `Effect`
which events it touched and from when on they should be answered again.
"""

import os
import random
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.foreign import give_back, hold_row, hold_table, take_every_connection, write
from tests.chaos.proxy import Mode
from tests.chaos.server import DATABASE
from tests.chaos.stage import Stage


@dataclass
class Effect:
    """What a fault touches, and since when it should be well again."""

    stage: Stage
    events: list[str] = field(default_factory=list)
    since_s: float = 0.0

    def well_from_now(self) -> None:
        """From now on an answer is due."""
        self.since_s = self.stage.history.now()


Inject = Callable[[Stage, random.Random, Effect], Iterator[None]]


@dataclass(frozen=True)
class Fault:
    """A kind: its name, how long it lasts, and what it does to what a test may expect.

    `moves_owners`: an event may have two owners for a while. `alone`: nothing else is injected
    while it lasts.
    """

    name: str
    inject: Callable[[Stage, random.Random, Effect], AbstractContextManager[None]]
    lasts_s: tuple[float, float] = (0.0, 0.0)
    moves_owners: bool = False
    alone: bool = False


FAULTS: list[Fault] = []


def _fault(
    name: str,
    lasts_s: tuple[float, float] = (0.0, 0.0),
    *,
    moves_owners: bool = False,
    alone: bool = False,
) -> Callable[[Inject], Inject]:
    def add(inject: Inject) -> Inject:
        FAULTS.append(Fault(name, contextmanager(inject), lasts_s, moves_owners, alone))
        return inject

    return add


# Processes of the service


@_fault("worker killed", moves_owners=True)
def worker_killed(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    index, pid = _some_worker(stage, dice)
    effect.events = stage.owned_by(index)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    effect.well_from_now()
    yield


@_fault("worker paused", (1.0, 3.0), moves_owners=True)
def worker_paused(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    index, pid = _some_worker(stage, dice)
    effect.events = stage.owned_by(index)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        # The supervisor kills one that is paused for long.
        if pid in stage.service.process.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        effect.well_from_now()


@_fault("workers replaced", moves_owners=True)
def workers_replaced(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    stage.service.process.roll()
    effect.well_from_now()
    yield


@_fault("service killed", moves_owners=True, alone=True)
def service_killed(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    stage.service.process.kill()
    yield
    effect.well_from_now()
    stage.service.process.start()


# PostgreSQL


@_fault("backend killed")
def backend_killed(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    backends = stage.server.backends()
    if backends:
        stage.server.kill_backend(dice.choice(backends))
    yield
    # The server starts itself again, which takes as long as its disk wants.
    stage.server.wait_until_it_answers()
    effect.well_from_now()


@_fault("backends terminated")
def backends_terminated(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    stage.server.terminate_backends()
    effect.well_from_now()
    yield


@_fault("PostgreSQL stopped at once", (0.0, 0.7), alone=True)
def postgres_stopped(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    yield from _postgres_ended(stage, effect, signal.SIGQUIT)


@_fault("PostgreSQL killed", (0.0, 0.7), alone=True)
def postgres_killed(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    yield from _postgres_ended(stage, effect, signal.SIGKILL)


def _postgres_ended(stage: Stage, effect: Effect, sent: signal.Signals) -> Iterator[None]:
    effect.events = stage.hot
    stage.server.end(sent)
    try:
        yield
    finally:
        stage.server.start()
        effect.well_from_now()


@_fault("connections exhausted", (0.3, 1.0), alone=True)
def connections_exhausted(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    held = stage.loop.call(take_every_connection(stage.server.dsn(DATABASE)))
    try:
        yield
    finally:
        stage.loop.call(give_back(held))
        effect.well_from_now()


@_fault("row locked", (0.2, 1.5))
def row_locked(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = [dice.choice(stage.hot)]
    yield from _held(stage, effect, hold_row(stage, effect.events[0]))


@_fault("ledger locked", (0.2, 1.0))
def ledger_locked(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    yield from _held(stage, effect, hold_table(stage))


@_fault("foreign writer", (0.3, 1.0))
def foreign_writer(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    effect.events = stage.hot
    yield from _held(stage, effect, write(stage, dice.randint(0, 1 << 30)))


def _held(stage: Stage, effect: Effect, act: Coroutine[Any, Any, None]) -> Iterator[None]:
    stop = stage.loop.begin(act)
    try:
        yield
    finally:
        stop()
        effect.well_from_now()


# The network between


@_fault("cut before the statement", (0.1, 0.4))
def cut_before(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    yield from _network(stage, effect, lambda: stage.proxy.set(Mode.CUT_BEFORE))


@_fault("cut after the statement", (0.1, 0.4))
def cut_after(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    yield from _network(stage, effect, lambda: stage.proxy.set(Mode.CUT_AFTER))


@_fault("replies lost", (0.3, 1.0))
def replies_lost(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    new = dice.random() < 0.5
    yield from _network(stage, effect, lambda: stage.proxy.set(Mode.LOSE_REPLIES, new=new))


@_fault("bytes held and delivered late", (0.5, 3.0))
def bytes_held(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    # Where only the old connections are held, a statement is run again before it arrives.
    new = dice.random() < 0.3
    yield from _network(stage, effect, lambda: stage.proxy.set(Mode.HOLD, new=new))


@_fault("slow network", (0.5, 1.5))
def slow_network(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    delay_s = dice.uniform(0.05, 0.4)
    yield from _network(stage, effect, lambda: setattr(stage.proxy, "delay_s", delay_s))


@_fault("connects refused", (0.3, 1.0))
def connects_refused(stage: Stage, dice: random.Random, effect: Effect) -> Iterator[None]:
    def refuse() -> None:
        stage.proxy.refuse()
        stage.proxy.cut()

    yield from _network(stage, effect, refuse)


def _network(stage: Stage, effect: Effect, worsen: Callable[[], None]) -> Iterator[None]:
    effect.events = stage.hot
    stage.loop.do(worsen)
    try:
        yield
    finally:
        stage.loop.call(stage.proxy.heal())
        effect.well_from_now()


def _some_worker(stage: Stage, dice: random.Random) -> tuple[int, int]:
    """A worker that runs now: its index and its process."""
    return dice.choice(list(stage.service.process.worker_pids().items()))
