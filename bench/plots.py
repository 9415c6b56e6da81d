"""Draws the results of a run as SVG files that work wherever a picture does.

Rule: they contain no script and no external resources, and every value is written out.
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pygal
from pygal.style import Style

from bench.goals import thousands
from bench.results import Figure, Results, Side

COLOURS: dict[Side, str] = {"bare": "#8a8f98", "database": "#c98a2b", "ours": "#2b6cb0"}
STYLE = Style(
    background="white",
    plot_background="white",
    foreground="#333",
    foreground_strong="#111",
    foreground_subtle="#ddd",
    guide_stroke_color="#e4e4e4",
    guide_stroke_dasharray="none",
    major_guide_stroke_color="#e4e4e4",
    major_guide_stroke_dasharray="none",
    opacity="1",
    font_family="Helvetica, Arial, sans-serif",
    label_font_size=12,
    major_label_font_size=12,
    value_font_size=11,
    legend_font_size=13,
    title_font_size=16,
    colors=("#2b6cb0", "#c98a2b", "#4f9d69", "#8a8f98"),
)
CONNECTIONS = 64
MANY, LISTED = 1000, 200
LISTS = ("bare-list", "list")
COMPARED = {"hot": "one event", "spread": "1000 events", "availability": "reads"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write all plots with data into `folder`, and return their paths."""
    plots: dict[str, Callable[[Results], Any]] = {
        "throughput": _throughput,
        "latency": _latency,
        "events": _events,
        "lists": _lists,
        "active": _active,
    }
    written = []
    for name, make in plots.items():
        chart = make(results)
        if chart is not None:
            path = folder / f"{name}.svg"
            path.write_bytes(chart.render())
            written.append(path)
    return written


def _settings(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": title,
        "style": STYLE,
        "js": [],
        "no_prefix": True,
        "print_values": True,
        "print_values_position": "top",
        "truncate_label": -1,
        "truncate_legend": -1,
        "legend_at_bottom": True,
        "margin_right": 50,
        "max_scale": 8,
        "width": 900,
        "height": 420,
        "value_formatter": thousands,
        **more,
    }


def _still(chart: Any) -> Any:
    """`chart` without the script that pygal adds to every picture."""

    def strip(root: ET.Element) -> ET.Element:
        for parent in root.iter():
            for child in [child for child in parent if _is_script(child)]:
                parent.remove(child)
        return root

    chart.add_xml_filter(strip)
    return chart


def _is_script(element: ET.Element) -> bool:
    # A comment's tag is a function.
    return str(element.tag).rpartition("}")[2] == "script"


def _throughput(results: Results) -> Any:
    shown = [figure for figure in results.figures if _is_headline(figure)]
    if not shown:
        return None
    chart: Any = pygal.HorizontalBar(
        **_settings(
            f"Requests a second, {CONNECTIONS} connections",
            show_legend=False,
            height=80 + 34 * len(shown),
            # The value of a bar is in its label, where no line crosses it.
            print_values=False,
        )
    )
    # pygal draws from the bottom up.
    shown.reverse()
    chart.x_labels = [f"{figure.title}: {thousands(figure.per_second)}" for figure in shown]
    chart.add(
        "",
        [{"value": figure.per_second, "color": COLOURS[figure.side]} for figure in shown],
    )
    return _still(chart)


def _is_headline(figure: Figure) -> bool:
    """Whether it is from the main stage, or a list next to its bare server."""
    if figure.connections != CONNECTIONS or figure.key == "paced":
        return False
    return figure.events == (LISTED if figure.key in LISTS else MANY)


def _latency(results: Results) -> Any:
    figures = sorted(
        (figure for figure in results.all(*COMPARED) if figure.events == MANY),
        key=lambda figure: (list(COMPARED).index(figure.key), figure.connections),
    )
    if not figures:
        return None
    chart = pygal.Bar(
        **_settings(
            "Latency in ms by connections: reserve on one event, on 1000, and availability",
            value_formatter=lambda ms: f"{ms:.0f}",
            legend_at_bottom_columns=3,
        )
    )
    chart.x_labels = [f"{COMPARED[figure.key]}, {figure.connections}" for figure in figures]
    chart.add("p50", [figure.mid(lambda run: run.p50_ms) for figure in figures])
    chart.add("p99", [figure.p99_ms for figure in figures])
    chart.add("p99.9", [figure.mid(lambda run: run.p999_ms) for figure in figures])
    return _still(chart)


def _line(
    title: str,
    labels: Sequence[str],
    series: dict[str, Sequence[float | None]],
    **more: Any,
) -> Any:
    if len(labels) < 2:  # noqa: PLR2004 - a point is not a line
        return None
    chart = pygal.Line(**_settings(title, dots_size=4, include_x_axis=True, **more))
    chart.x_labels = list(labels)
    for name, values in series.items():
        chart.add(name, list(values))
    return _still(chart)


def _events(results: Results) -> Any:
    hot, lists = (_by_events(results, key) for key in ("hot", "list"))
    sizes = sorted({*hot, *lists})
    return _line(
        f"Requests a second by events in the database, {CONNECTIONS} connections",
        [thousands(size) for size in sizes],
        {
            "reserve, one event": [hot.get(size) for size in sizes],
            "list, 20 events": [lists.get(size) for size in sizes],
        },
    )


def _by_events(results: Results, key: str) -> dict[int, float]:
    return {
        figure.events: figure.per_second
        for figure in results.all(key)
        if figure.connections == CONNECTIONS
    }


def _lists(results: Results) -> Any:
    return _line(
        "An uncached list page in ms, by events in the database",
        [thousands(page.events) for page in results.lists],
        {
            "first page": [page.first_ms for page in results.lists],
            "page in the middle": [page.middle_ms for page in results.lists],
        },
        value_formatter=lambda ms: f"{ms:.1f}",
    )


def _active(results: Results) -> Any:
    kinds = {"reserve": "reserve-active-", "availability": "read-active-"}
    found = {
        name: {
            int(figure.key.removeprefix(prefix)): figure.per_second
            for figure in results.figures
            if figure.key.startswith(prefix)
        }
        for name, prefix in kinds.items()
    }
    sizes = sorted({size for values in found.values() for size in values})
    return _line(
        f"Requests a second by events that are asked for, {CONNECTIONS} connections",
        [thousands(size) for size in sizes],
        {name: [values.get(size) for size in sizes] for name, values in found.items()},
    )
