"""Reports the results of a run: a table on the terminal, and files for the documentation.

Rule: the figures in the documentation come from results.json alone, so that they can be generated
again.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.fairness import LARGE
from bench.goals import Verdict, goals, targets, thousands
from bench.overload import COMMIT_DELAY_MS
from bench.plots import draw
from bench.results import Figure, Machine, Results, Sample
from bench.rows import MANY

RESULTS, TABLES = "results.json", "results.md"
# Between these lines, the benchmark writes the page about performance.
BEGIN = "<!-- Made by `make bench`; what is written here is overwritten. -->"
END = "<!-- The end of what `make bench` made. -->"
NOTHING = ""

COLUMNS = (
    "what",
    "connections",
    "requests/s",
    "slowest to fastest run",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "errors",
    "conflicts",
    "CPU µs",
    "PostgreSQL µs",
    "batch",
    "commit p99 ms",
    "peak MB",
)
# The rows at the top of the page about performance, in the order in which they are compared.
HEADLINES = (
    ("bare-get", 1000),
    ("availability", 1000),
    ("internal", 1000),
    ("bare-list", 200),
    ("list", 200),
    ("bare-post", 1000),
    ("hot", 1000),
    ("spread", 1000),
    ("return", 1000),
    ("mix", 1000),
    ("pg-hot", 1000),
    ("pg-spread", 1000),
)
PLOTS = {
    "throughput": "Requests a second, bare, ours and the database alone",
    "latency": "Latency by connections",
    "events": "Throughput by events in the database",
    "lists": "Time of an uncached list page by events in the database",
    "active": "Throughput by active events",
}


def write(results: Results, folder: Path) -> list[Path]:
    """Write JSON, tables and plots into `folder`; fill in the page beside it if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / RESULTS
    kept.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    plots = draw(results, folder)
    tables = folder / TABLES
    tables.write_text(_tables(results, [plot.stem for plot in plots]), encoding="utf-8")
    page = folder.with_suffix(".md")
    if page.exists():
        _fill(page, _summary(results, folder.name))
        return [kept, tables, *plots, page]
    return [kept, tables, *plots]


def read(path: Path) -> Results:
    """The results that `write` saved."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def terminal(results: Results) -> str:
    """The one table, then the goals."""
    lines = _table(COLUMNS, map(_row, results.figures))
    lines += ["", *_verdicts("goal", goals(results)), "", *_verdicts("target", targets(results))]
    lines += [
        "",
        *_overload(results),
        "",
        *_storm(results),
        "",
        *_fairness(results),
        "",
        *_growth(results),
        "",
        _checked(results),
    ]
    return "\n".join(lines)


def _tables(results: Results, plots: Sequence[str]) -> str:
    lines = [
        "# Results of a run",
        "",
        "Made by `make bench`; [what it means](../performance.md).",
        "",
        *_where(results),
        "",
        "## Goals",
        "",
        *_verdicts("goal", goals(results)),
        "",
        "## Targets",
        "",
        *_verdicts("target", targets(results)),
        "",
        "## Everything",
        "",
        _explained(results),
    ]
    for events in dict.fromkeys(figure.events for figure in results.figures):
        rows = (_row(figure) for figure in results.figures if figure.events == events)
        lines += ["", f"### {thousands(events)} events in the database", "", *_table(COLUMNS, rows)]
    lines += ["", "## Overload", "", *_overload(results)]
    lines += ["", "## Holds that expire at once", "", *_storm(results)]
    lines += ["", "## Single moves beside requests for many", "", *_fairness(results)]
    lines += ["", "## Growth", "", *_growth(results), "", _checked(results)]
    for plot in plots:
        lines += ["", f"![{PLOTS[plot]}]({plot}.svg)"]
    return "\n".join(lines) + "\n"


def _where(results: Results) -> list[str]:
    machine = results.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    rounds = f"{results.rounds} rounds of {results.seconds} s for every row"
    commit = f", commit {results.commit}" if results.commit else ""
    took = f"{results.took_s / 60:.1f} minutes"
    return [
        f"- {results.at}, profile `{results.profile}` ({rounds}), {took}{commit}",
        f"- {_machine(machine)}",
        f"- {versions}",
        f"- load average before the run: {machine.load_before:.2f} for each processor",
    ]


def _machine(machine: Machine) -> str:
    return (
        f"{machine.processor}, {machine.processors} processors, {machine.memory_gb:.0f} GB, "
        f"{machine.system}; {machine.workers} worker{'s' if machine.workers > 1 else ''}; a flush "
        "to disk takes "
        f"{machine.flush_ms:.2f} ms"
    )


def _explained(results: Results) -> str:
    return (
        f"Each figure is the median of {results.rounds} runs; errors and conflicts are those of "
        "all runs, the peak is the largest. CPU is the processor time of all our processes for "
        "each request, without PostgreSQL's; batch is the mean number of moves in one commit; "
        "commit p99 is the time of the committing statement, measured by the worker, and an upper "
        "bound of how long a row is locked. A request for many moves counts as so many requests, "
        "except in its latency and errors. The strict row counts the bookings that succeeded; "
        "all others are conflicts."
    )


def _row(figure: Figure) -> list[str]:
    rates = [run.per_second for run in figure.runs]
    peaks = [run.peak_mb for run in figure.runs if run.peak_mb is not None]
    return [
        figure.title,
        f"{figure.connections}",
        thousands(figure.per_second),
        f"{thousands(min(rates))} to {thousands(max(rates))}",
        _decimal(figure.mid(lambda run: run.p50_ms), 1),
        _decimal(figure.p99_ms, 1),
        _decimal(figure.mid(lambda run: run.p999_ms), 1),
        f"{figure.errors}",
        _share(figure),
        _decimal(figure.median(lambda run: run.cpu_us), 0),
        _decimal(figure.median(lambda run: run.postgres_us), 0),
        _decimal(figure.median(_batch), 1),
        _decimal(figure.median(lambda run: run.commit_p99_ms), 1),
        _decimal(max(peaks, default=None), 0),
    ]


def _batch(run: Sample) -> float | None:
    return run.batch


def _share(figure: Figure) -> str:
    conflicts = sum(run.conflicts for run in figure.runs)
    asked = sum(run.asked for run in figure.runs)
    return f"{conflicts / asked:.1%}" if conflicts else "0"


def _decimal(number: float | None, digits: int) -> str:
    return NOTHING if number is None else f"{number:.{digits}f}"


def _overload(results: Results) -> list[str]:
    header = (
        "offered to one event",
        "connections",
        "answers/s",
        "accepted/s",
        "of the peak",
        "refused",
        "no answer",
        "accepted p99 ms",
    )
    rows = [
        [
            f"{found.times} times {thousands(found.peak)}/s",
            thousands(found.connections),
            thousands(found.answered),
            thousands(found.accepted),
            f"{found.accepted / found.peak:.2f}",
            thousands(found.refused),
            f"{found.broken} ({found.broken_how})" if found.broken else "0",
            _decimal(found.accepted_p99_ms, 1),
        ]
        for found in results.overload
    ]
    lines = _table(header, rows)
    if rows:
        told = (
            f"Every commit takes {COMMIT_DELAY_MS} ms longer here, so that the bottleneck is the "
            "database and not the processors, which the load generator uses too. A client sends "
            "its next request half a second after an answer, whatever it was."
        )
        lines += ["", told]
    return lines


def _storm(results: Results) -> list[str]:
    header = ("holds", "all free after", "commit p99 ms", "reserve p99 ms", "errors")
    found = results.storm
    if found is None:
        return _table(header, [])
    row = [
        thousands(found.holds),
        f"{found.free_after_s:.1f} s",
        _decimal(found.commit_p99_ms, 1),
        f"{found.reserve_p99_ms:.1f}",
        f"{found.errors}",
    ]
    return _table(header, [row])


def _fairness(results: Results) -> list[str]:
    header = ("beside one event's single moves", "moves/s", "singles/s", "p50 ms", "p99 ms")
    rows = [
        [
            f"{what}, {found.pace}",
            thousands(median(run.beside_per_second for run in runs)),
            thousands(median(run.per_second for run in runs)),
            f"{median(run.p50_ms for run in runs):.1f}",
            f"{median(run.p99_ms for run in runs):.1f}",
        ]
        for found in results.fairness
        for what, runs in (
            (f"{LARGE * MANY} connections with one move a request", found.ones),
            (f"{LARGE} connections with {MANY}", found.many),
        )
    ]
    return _table(header, rows)


def _growth(results: Results) -> list[str]:
    header = ("events", "reserve/s", "list/s", "first page ms", "worst", "middle page ms", "worst")
    rows = []
    for page in results.lists:
        hot, listed = (results.find(key, events=page.events) for key in ("hot", "list"))
        rows.append(
            [
                thousands(page.events),
                thousands(hot.per_second) if hot else NOTHING,
                thousands(listed.per_second) if listed else NOTHING,
                f"{page.first_ms:.1f}",
                f"{page.first_worst_ms:.1f}",
                f"{page.middle_ms:.1f}",
                f"{page.middle_worst_ms:.1f}",
            ]
        )
    lines = _table(header, rows)
    if results.memory:
        each = [[thousands(m.active), f"{m.bytes_each / 1024:.2f}"] for m in results.memory]
        lines += ["", *_table(("active events", "KB of memory each"), each)]
    return lines


def _checked(results: Results) -> str:
    events = sum(checked.events for checked in results.checked)
    versions = sum(checked.versions for checked in results.checked)
    differing = sum(checked.differing for checked in results.checked)
    outcome = f"{differing} differ" if differing else "none differs"
    return (
        f"After the load, {thousands(events)} events were compared with the "
        f"{thousands(versions)} versions in their ledgers: {outcome}."
    )


def _verdicts(what: str, verdicts: Iterable[Verdict]) -> list[str]:
    rows = ([v.goal, v.wanted, v.found, v.shown] for v in verdicts)
    return _table((what, "wanted", "found", ""), rows)


def _summary(results: Results, folder: str) -> list[str]:
    more = f"[All figures]({folder}/{TABLES}), [as JSON]({folder}/{RESULTS})."
    return [
        f"{results.at}: {_machine(results.machine)}. {more}",
        "",
        *_headline(results),
        "",
        "### Goals",
        "",
        *_verdicts("goal", goals(results)),
        "",
        "### Targets",
        "",
        *_verdicts("target", targets(results)),
    ]


def _headline(results: Results) -> list[str]:
    header = ("64 connections", "requests/s", "p50 ms", "p99 ms", "errors", "CPU µs")
    wanted = (results.find(key, events=events) for key, events in HEADLINES)
    found = [figure for figure in wanted if figure is not None]
    rows = (
        [
            figure.title,
            thousands(figure.per_second),
            f"{figure.mid(lambda run: run.p50_ms):.1f}",
            f"{figure.p99_ms:.1f}",
            f"{figure.errors}",
            _decimal(figure.median(lambda run: run.cpu_us), 0),
        ]
        for figure in found
    )
    return _table(header, rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table that is readable on a terminal and in Markdown."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(header))]
    lines = [_line(line, widths) for line in cells]
    rule = ["-" * width for width in widths[:1]] + ["-" * (w - 1) + ":" for w in widths[1:]]
    return [lines[0], _line(rule, widths), *lines[1:]]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"


def _fill(page: Path, lines: Sequence[str]) -> None:
    text = page.read_text(encoding="utf-8")
    head, begun, rest = text.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if begun and ended:
        made = "\n".join((BEGIN, "", *lines, "", END))
        page.write_text(f"{head}{made}{tail}", encoding="utf-8")
