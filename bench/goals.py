"""The goals, which are ratios within a run, the absolute targets, and whether they are met.

Rule: a goal that was not measured is neither met nor missed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.results import Fairness, Figure, Results, Storm, ratio
from bench.rows import MANY_CONNECTIONS

NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, with the wanted and the found value; `met` is None if it was not measured."""

    goal: str
    wanted: str
    found: str
    met: bool | None

    @property
    def shown(self) -> str:
        """The verdict in a word."""
        return {True: "met", False: "**missed**", None: NOT_MEASURED}[self.met]


def goals(results: Results) -> list[Verdict]:
    """What this project demands of itself: ratios within one run, since machines differ."""
    find = results.find
    hot, spread, bare_get = find("hot"), find("spread"), find("bare-get")
    many_hot, many_spread = (find(key, MANY_CONNECTIONS) for key in ("many-hot", "many-spread"))
    return [
        _at_least("reserve on one event, to a bare POST", 0.6, hot, find("bare-post")),
        _at_least("reserve on one event, to pgbench on one row", 5, hot, find("pg-hot")),
        _at_least("reserve spread over 1000 events, to one event", 0.85, spread, hot),
        _at_least("hold on one event, to a reserve", 0.75, find("hold"), hot),
        _at_least("confirm on one event, to a reserve", 0.6, find("confirm"), hot),
        _at_least("reserve on one event, 100 in a request, to one", 3, many_hot, hot),
        _at_least("the same, spread over 1000 events", 2, many_spread, spread),
        _at_least("the same on one event, to pgbench on one row", 25, many_hot, find("pg-hot")),
        _p99("reserve at 256 connections", 50, (find("hot", 256), find("spread", 256))),
        _at_least("availability, to a bare GET", 0.75, find("availability"), bare_get),
        _at_least("internal GET, to a bare GET", 0.75, find("internal"), bare_get),
        _at_least(
            "list, to a bare GET of its size", 0.7, find("list", events=200), find("bare-list")
        ),
        _p99(
            "1000 connections", 200, (find(key, 1000) for key in ("hot", "spread", "availability"))
        ),
        _memory(results),
        _uncached(results),
        _overload(results),
        _storm(results.storm),
        _fairness(results.fairness),
    ]


def targets(results: Results) -> list[Verdict]:
    """What the platform demands of this service, in absolute figures."""
    find = results.find
    lists = (find("list", events=200), find("list", events=100_000))
    hot = find("hot")
    return [
        _rate("list", 1000, 200, lists),
        _rate("availability", 2000, 100, (find("availability"), find("availability", 256))),
        _rate("update-availability", 500, 50, (hot, find("spread"), find("hot", 256))),
        _bookings(results),
        _commit("row lock at 600 moves a second", find("paced")),
        _commit("row lock flat out, 64 connections", hot),
        _retries(find("retry")),
    ]


def _unmeasured(goal: str, wanted: str) -> Verdict:
    return Verdict(goal, wanted, NOT_MEASURED, None)


def _at_least(goal: str, wanted: float, figure: Figure | None, to: Figure | None) -> Verdict:
    shown = f"at least {wanted:g} times"
    if figure is None or to is None:
        return _unmeasured(goal, shown)
    found = ratio(figure, to)
    return Verdict(goal, shown, f"{found:.2f} times", found >= wanted)


def _measured(figures: Iterable[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _p99(goal: str, wanted_ms: float, figures: Iterable[Figure | None]) -> Verdict:
    """The slowest of `figures` counts, and the errors of all."""
    wanted = f"p99 under {wanted_ms:g} ms, no error"
    found = _measured(figures)
    if not found:
        return _unmeasured(goal, wanted)
    slowest = max(found, key=lambda figure: figure.p99_ms)
    errors = sum(figure.errors for figure in found)
    shown = f"p99 {slowest.p99_ms:.1f} ms ({slowest.title}), {errors} errors"
    return Verdict(goal, wanted, shown, slowest.p99_ms < wanted_ms and not errors)


def _rate(goal: str, wanted: float, p99_ms: float, figures: Iterable[Figure | None]) -> Verdict:
    """The lowest rate and the slowest p99 of `figures` count."""
    asked = f"{wanted:g} a second, p99 under {p99_ms:g} ms"
    found = _measured(figures)
    if not found:
        return _unmeasured(goal, asked)
    rate = min(figure.per_second for figure in found)
    slowest = max(figure.p99_ms for figure in found)
    shown = f"{thousands(rate)} a second, p99 {slowest:.1f} ms"
    return Verdict(goal, asked, shown, rate >= wanted and slowest < p99_ms)


def _memory(results: Results) -> Verdict:
    goal, wanted = "memory of 10 000 active events", "under 3 KB each"
    found = [memory for memory in results.memory if memory.active >= 10_000]  # noqa: PLR2004
    if not found:
        return _unmeasured(goal, wanted)
    kilobytes = found[-1].bytes_each / 1024
    return Verdict(goal, wanted, f"{kilobytes:.2f} KB each", kilobytes < 3)  # noqa: PLR2004


def _uncached(results: Results) -> Verdict:
    goal, wanted = "uncached list page of 100 000 events", "under 20 ms"
    found = [page for page in results.lists if page.events >= 100_000]  # noqa: PLR2004
    if not found:
        return _unmeasured(goal, wanted)
    page = found[-1]
    shown = f"{page.first_ms:.1f} ms (slowest of all {page.first_worst_ms:.1f} ms)"
    return Verdict(goal, wanted, shown, page.first_ms < 20)  # noqa: PLR2004


def _overload(results: Results) -> Verdict:
    goal, wanted = "sold at 4 times the peak load", "at least 0.8 of the peak"
    found = [overload for overload in results.overload if overload.times == 4]  # noqa: PLR2004
    if not found:
        return _unmeasured(goal, wanted)
    most = found[0]
    share = most.accepted / most.peak
    shown = f"{share:.2f} of {thousands(most.peak)} a second, {most.broken} without an answer"
    return Verdict(goal, wanted, shown, share >= 0.8 and not most.broken)  # noqa: PLR2004


def _storm(found: Storm | None) -> Verdict:
    goal = "50 000 holds of one event that expire at once"
    wanted = "free within 15 s, commit p99 under 20 ms, reserve p99 under 50 ms, no error"
    if found is None or found.commit_p99_ms is None:
        return _unmeasured(goal, wanted)
    shown = (
        f"{found.free_after_s:.1f} s, commit p99 {found.commit_p99_ms:.1f} ms, "
        f"reserve p99 {found.reserve_p99_ms:.1f} ms, {found.errors} errors"
    )
    quick = found.commit_p99_ms < 20 and found.reserve_p99_ms < 50  # noqa: PLR2004
    return Verdict(goal, wanted, shown, found.free_after_s < 15 and quick and not found.errors)  # noqa: PLR2004


def _fairness(found: Sequence[Fairness]) -> Verdict:
    """The worse of the paces counts."""
    goal = "p99 of single moves beside requests for many, to beside as many single ones"
    wanted = "at most 2 times, no error"
    if not found:
        return _unmeasured(goal, wanted)
    worst = max(found, key=lambda one: one.times)
    errors = sum(one.errors for one in found)
    shown = f"{worst.times:.2f} times ({worst.pace}), {errors} errors"
    return Verdict(goal, wanted, shown, worst.times <= 2 and not errors)  # noqa: PLR2004


def _bookings(results: Results) -> Verdict:
    goal, wanted = "1000 bookings at once, none oversold", "every seat sold once"
    found = results.bookings
    if found is None:
        return _unmeasured(goal, wanted)
    shown = f"{found.sold} of {found.seats} seats sold, {found.refused} refused"
    if found.otherwise:
        shown += f", {found.otherwise} with other answers"
    return Verdict(goal, wanted, shown, found.exact)


def _commit(goal: str, figure: Figure | None) -> Verdict:
    """The histogram has a bucket that ends at 10 ms, so the comparison is exact."""
    wanted = "commit p99 under 10 ms"
    found = figure.median(lambda run: run.commit_p99_ms) if figure else None
    if found is None:
        return _unmeasured(goal, wanted)
    return Verdict(goal, wanted, f"{found:.1f} ms", found < 10)  # noqa: PLR2004


def _retries(figure: Figure | None) -> Verdict:
    goal, wanted = "conflicts resolved by retry", "over 95%"
    if figure is None:
        return _unmeasured(goal, wanted)
    retried = sum(run.retried for run in figure.runs)
    met = retried + sum(run.rejected for run in figure.runs)
    if not met:
        return _unmeasured(goal, wanted)
    share = retried / met * 100
    return Verdict(goal, wanted, f"{share:.2f}% of {thousands(met)}", share > 95)  # noqa: PLR2004


def thousands(number: float) -> str:
    """A whole number as people read it: 12 345."""
    return f"{number:,.0f}".replace(",", " ")
