"""`python -m tests.simulation`: many seeds, each a world of its own; the first that fails, twice.

Rule: a seed that failed once is tried first from then on, until somebody takes it out.
"""

import argparse
import itertools
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.simulation.checker import Checker
from tests.simulation.virtual_loop import run
from tests.simulation.world import live

SEEDS_FILE = Path(__file__).with_name("seeds.txt")


def simulate(seed: int) -> Checker:
    """One seed. Raises AssertionError with what was found."""
    try:
        checker = run(lambda: live(seed))
    except Exception as error:
        raise AssertionError(f"seed {seed} ended with {error!r}") from error
    if checker.violations:
        found = "\n  ".join(checker.violations)
        raise AssertionError(f"seed {seed} breaks the promise:\n  {found}")
    return checker


def known_seeds(seeds_file: Path = SEEDS_FILE) -> list[int]:
    """Seeds that have failed before."""
    lines = seeds_file.read_text(encoding="utf-8").splitlines()
    return [int(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]


def note(seed: int, seeds_file: Path = SEEDS_FILE) -> None:
    """Try this seed first from now on."""
    if seed not in known_seeds(seeds_file):
        with seeds_file.open("a", encoding="utf-8") as file:
            file.write(f"{seed}\n")


def main(
    arguments: Iterable[str] | None = None,
    *,
    play: Callable[[int], Checker] = simulate,
    seeds_file: Path = SEEDS_FILE,
) -> int:
    """Run the seeds; 1 if any of them fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--seed", type=int, help="only this one")
    given = parser.parse_args(None if arguments is None else list(arguments))
    logging.disable(logging.CRITICAL)
    started_s = time.perf_counter()
    counts: Counter[str] = Counter()
    slowest_s, failed, seeds = 0.0, 0, 0
    for seed in _seeds(given.seeds, given.seed, seeds_file):
        seeds += 1
        try:
            checker = play(seed)
        except AssertionError as error:
            failed += 1
            note(seed, seeds_file)
            again = f"python -m tests.simulation --seed {seed}"
            sys.stdout.write(f"{error}\nagain: {again}\n")
            continue
        counts.update(checker.counts)
        slowest_s = max(slowest_s, checker.slowest_s)
    seconds = time.perf_counter() - started_s
    told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
    sys.stdout.write(
        f"{seeds} seeds in {seconds:.1f} s ({seeds / seconds:.0f}/s), {failed} failed; {told}; "
        f"slowest answer {slowest_s:.1f} s\n"
    )
    return 1 if failed else 0


def _seeds(number: int, only: int | None, seeds_file: Path) -> Iterator[int]:
    if only is not None:
        yield only
        return
    known = known_seeds(seeds_file)
    fresh = (seed for seed in itertools.count(1) if seed not in known)
    yield from known
    yield from itertools.islice(fresh, number)


if __name__ == "__main__":
    sys.exit(main())
