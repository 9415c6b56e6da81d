"""`python -m tests.chaos`: the real service under faults from a seed, and what came of it.

Rule: one line that can be compared with another run's, the command that repeats the seed, and
exit code 1 if anything was broken; then the evidence stays in a folder that is named.
"""

import argparse
import random
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

from tqdm import tqdm

from tests.chaos import report
from tests.chaos.director import SECONDS, Director, Outcome, Pace
from tests.chaos.stage import Stage, staged

# A longer run is many rounds, each with fresh events and a check of its own.
ROUND_S = 60.0
TRACEBACK = "Traceback (most recent call last)"


def play(
    seed: int,
    pace: Pace,
    advance: Callable[[float], object] = lambda seconds: None,
    tell: Callable[[str], object] = print,
) -> list[Outcome]:
    """Rounds until the time is over or one is broken, each told of; the outcome of each."""
    outcomes: list[Outcome] = []
    rounds = max(1, round(pace.seconds / ROUND_S))
    each = replace(pace, seconds=pace.seconds / rounds)
    with staged() as stage:
        for number in range(rounds):
            director = Director(stage, seed + number, each, advance)
            outcome, ledgers = director.run()
            outcomes.append(outcome)
            if number == rounds - 1:
                _end(stage, outcome)
            tell(report.line(outcome))
            if outcome.verdict.violations:
                folder = report.keep_evidence(stage, outcome, ledgers)
                tell("\n".join(map(str, outcome.verdict.violations[:20])))
                tell(f"evidence: {folder}")
                tell(f"again: python -m tests.chaos --seed {outcome.seed}")
                break
    return outcomes


def _end(stage: Stage, outcome: Outcome) -> None:
    """Stop the service as an operator does; what is wrong with that is a violation too."""
    try:
        stage.service.process.verify()
        stage.service.process.stop()
    except AssertionError as error:
        # The message may be the whole log: what matters is its first line, and a traceback.
        text = str(error)
        told, _, traceback = text.partition(TRACEBACK)
        outcome.violated(
            f"{told[:200]} {TRACEBACK}{traceback[:2000]}" if traceback else text[:2000]
        )


def main(arguments: Iterable[str] | None = None) -> int:
    """Play one seed; 1 if anything is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="what is drawn (default: another every time)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of faults")
    given = parser.parse_args(None if arguments is None else list(arguments))
    seed = random.randrange(1_000_000) if given.seed is None else given.seed  # noqa: S311
    with tqdm(total=given.seconds, desc="chaos", unit=" s", disable=None, leave=False) as bar:
        outcomes = play(seed, Pace(seconds=given.seconds), bar.update, bar.write)
    last = outcomes[-1]
    for finding in last.verdict.excused:
        sys.stdout.write(f"not promised: {finding}\n")
    sys.stdout.write(
        f"played:\n{report.played(last)}\n"
        f"faults: {report.faults(last)}\n"
        f"recovery, by what struck:\n{report.recoveries(last)}\n"
        f"again: python -m tests.chaos --seed {seed} --seconds {given.seconds:g}\n"
    )
    return 1 if last.verdict.violations else 0


if __name__ == "__main__":
    # As Ctrl-C does: nothing that was started is left.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
