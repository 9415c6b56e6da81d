"""Lets the faults strike while the clients go on, then waits for the calm, and has all checked.

Rule: the next step begins when the events that the last one touched are answered again, so that
each recovery is measured from its own fault's end; one that takes too long is a violation.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

from tests.chaos.checker import check
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Effect
from tests.chaos.findings import OTHER, Finding, Verdict
from tests.chaos.follower import Follower
from tests.chaos.ledger import EventLedger
from tests.chaos.plan import Step, steps
from tests.chaos.played import PLAYED, played
from tests.chaos.stage import Stage

SECONDS = 36.0
# What is measured is printed; this is when it is called broken, on a machine that may be busy.
RECOVERED_WITHIN_S = 20.0
# Everything is answered for this long without a miss, and it begins within that.
CALM_S, CALM_WITHIN_S = 5.0, 20.0
FINISHED_WITHIN_S = 45.0
POLL_S = 0.01
# A worker that was silent before it was killed, and one that begins until all know it.
DOUBLED_BEFORE_S, DOUBLED_AFTER_S = 4.0, 8.0

_OWNERS_MOVE = re.compile(
    r"^(\d\d):(\d\d):(\d\d)\.(\d{3}) .*(?:killing the silent|ended with|one by one|drains)",
    re.MULTILINE,
)
# Since the service was started last.


@dataclass(frozen=True, slots=True)
class Pace:
    """How long it goes on, and with what at least."""

    seconds: float = SECONDS
    faults_min: int = 25
    calm_s: float = CALM_S
    kinds: Sequence[str] | None = None
    # A short run may come to an end before it has played everything.
    plays_all: bool = True


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    # By what struck: a kind, or two of them.
    recoveries_s: dict[str, list[float]] = field(default_factory=dict)
    calm_after_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    # What `tests/chaos/played.py` has counted.
    played: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    struck: list[str] = field(default_factory=list)

    def violated(self, what: str) -> None:
        """Something that has nothing to do with one event."""
        self.verdict.violations.append(Finding(OTHER, "any", what))


class Director:
    """One round: its clients, its faults, its check."""

    def __init__(
        self, stage: Stage, seed: int, pace: Pace, advance: Callable[[float], object]
    ) -> None:
        self._stage = stage
        self._pace = pace
        self._advance = advance
        self._log_seen = len(stage.service.process.log())
        self.outcome = Outcome(seed)

    def run(self) -> tuple[Outcome, dict[str, EventLedger]]:
        """Play it; what came of it, and what the database holds in the end."""
        stage, outcome = self._stage, self.outcome
        stage.loop.call(stage.put_on_sale(outcome.seed))

        async def begin() -> Crowd:
            crowd = Crowd(stage.service, stage.history, stage.programme, outcome.seed)
            await crowd.start()
            return crowd

        crowd = stage.loop.call(begin())
        follower = Follower(stage.service, outcome.seed)
        stage.loop.call(follower.start())
        try:
            started_s = time.monotonic()
            self._strike_until(started_s + self._pace.seconds)
            outcome.seconds = time.monotonic() - started_s
            self._wait_for_calm()
        finally:
            stage.loop.call(crowd.stop(FINISHED_WITHIN_S))
            # Before the follower's last page: holds go on to expire.
            ledgers = stage.loop.call(stage.ledgers())
            stage.loop.call(follower.finish(FINISHED_WITHIN_S))
        stage.history.told = follower.heard
        outcome.counts["deaths of the follower"] = follower.deaths
        stage.history.doubled.extend(self._owners_moved())
        self._count()
        outcome.played = played(stage.history, ledgers)
        for name in chain.from_iterable(PLAYED.values()):
            if self._pace.plays_all and not outcome.played[name]:
                outcome.violated(f"never played: {name}")
        found = check(stage.history, ledgers)
        outcome.verdict.violations.extend(found.violations)
        outcome.verdict.excused.extend(found.excused)
        return outcome, ledgers

    def _strike_until(self, until_s: float) -> None:
        begun_s = time.monotonic()
        for step in steps(self.outcome.seed, self._pace.kinds):
            now_s = time.monotonic()
            self._advance(now_s - begun_s)
            begun_s = now_s
            if now_s > until_s and self.outcome.faults.total() >= self._pace.faults_min:
                return
            self._play(step)

    def _play(self, step: Step) -> None:
        """Inject what is due one after the other, end all, and wait until all is well."""
        from_s = time.monotonic()
        effects = []
        with ExitStack() as lasting:
            for strike in step:
                effect = Effect(self._stage)
                effects.append(effect)
                dice = random.Random(strike.seed)  # noqa: S311 - choices that can be repeated
                lasting.enter_context(strike.fault.inject(self._stage, dice, effect))
                self.outcome.faults[strike.fault.name] += 1
                # The one wait for a time in here: how long a fault lasts is what it is about.
                time.sleep(strike.lasts_s)
        if any(strike.fault.moves_owners for strike in step):
            self._stage.history.doubled.append((from_s, time.monotonic() + DOUBLED_AFTER_S))
        name = " + ".join(strike.fault.name for strike in step)
        recovered_s = self._recovered(effects)
        self.outcome.recoveries_s.setdefault(name, []).append(recovered_s)
        at = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        lasted = ", ".join(f"{strike.lasts_s:.2f}" for strike in step)
        self.outcome.struck.append(f"{at} {name}: lasted {lasted}; well after {recovered_s:.2f} s")

    def _recovered(self, effects: Iterable[Effect]) -> float:
        """How long after the last end every event that was touched was answered OK again."""
        history = self._stage.history
        since_s = max(effect.since_s for effect in effects)
        waiting = {event_id for effect in effects for event_id in effect.events}
        last_s = since_s
        while waiting:
            for event_id in tuple(waiting):
                first_s = history.first_ok(event_id, since_s)
                if first_s is not None:
                    waiting.remove(event_id)
                    last_s = max(last_s, first_s)
            if history.now() > since_s + RECOVERED_WITHIN_S:
                self.outcome.violated(f"no OK after {RECOVERED_WITHIN_S} s: {waiting}")
                return RECOVERED_WITHIN_S
            time.sleep(POLL_S)
        return last_s - since_s

    def _wait_for_calm(self) -> None:
        """Everything must be answered again, for a while, with no miss."""
        history = self._stage.history
        ended_s = history.now()
        while True:
            now_s = history.now()
            missed_s = max((s for s in history.unanswered_s[-200:] if s > ended_s), default=ended_s)
            if now_s - missed_s >= self._pace.calm_s:
                self.outcome.calm_after_s = missed_s - ended_s
                return
            if now_s - ended_s > CALM_WITHIN_S + self._pace.calm_s:
                self.outcome.violated(f"not everything is answered {CALM_WITHIN_S} s after")
                return
            time.sleep(POLL_S)

    def _count(self) -> None:
        history, counts = self._stage.history, self.outcome.counts
        counts.update(history.counts)
        counts["moves"] = len(history.moves)
        counts["reads"] = len(history.reads)
        counts["changes"] = len(history.changes)
        counts["holds"] = len(history.purchases)
        counts["in doubt"] = sum(move.in_doubt for move in history.moves)
        keyed = [move for move in history.moves if move.in_doubt and move.key is not None]
        counts["in doubt with a key"] = len(keyed)
        counts["resolved"] = sum(move.resolved for move in keyed)
        counts["replayed"] = sum(attempt.replayed for _, attempt in history.attempts)
        log = self._stage.service.process.log()[self._log_seen :]
        counts["statements in doubt"] = log.count("batches is unknown")
        answered = (attempt for _, attempt in history.attempts if attempt.told)
        self.outcome.slowest_s = max((a.took_s for a in answered), default=0.0)

    def _owners_moved(self) -> Iterable[tuple[float, float]]:
        """What the service's log tells of workers that came and went, whoever was at fault."""
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for found in _OWNERS_MOVE.finditer(self._stage.service.process.log()[self._log_seen :]):
            hours, minutes, seconds, milliseconds = map(int, found.groups())
            at = today + timedelta(
                hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds
            )
            at_s = at.timestamp() - self._stage.history.epoch_s
            yield at_s - DOUBLED_BEFORE_S, at_s + DOUBLED_AFTER_S
