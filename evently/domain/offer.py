"""What the fields of an event's details must be to each other.

Rule: what is wrong is told of a field that was changed, with the way out, so that an admin who
touched one of two fields hears of that one.
"""

from collections.abc import Collection, Iterator
from typing import TypeAlias

from evently.domain.currencies import misfit
from evently.domain.state import EventDetails

# A field, and what is wrong with it.
Problem: TypeAlias = tuple[str, str]


def misfits(details: EventDetails, changed: Collection[str]) -> Iterator[Problem]:
    """What does not fit together in `details`, of which the fields `changed` are new."""
    if details.end_datetime <= details.start_datetime:
        yield "end_datetime", "end_datetime must be after start_datetime"
    yield from _sales(details, changed)
    problem = misfit("base_price", details.base_price, details.currency)
    if problem is not None:
        yield problem


def _sales(details: EventDetails, changed: Collection[str]) -> Iterator[Problem]:
    opens, closes = details.sales_start, details.sales_end
    if closes is not None and closes > details.end_datetime:
        if "sales_end" in changed:
            yield "sales_end", "sales_end must not be after end_datetime"
        else:
            yield "end_datetime", f"end_datetime must not be before sales_end, {closes.isoformat()}"
    if opens is None or opens < details.sales_close:
        return
    if closes is None:
        message = (
            "sales_start must be before start_datetime, when sales close if no sales_end is set"
        )
        yield "sales_start", message
    elif "sales_end" in changed:
        yield "sales_end", "sales_end must be after sales_start"
    else:
        yield "sales_start", f"sales_start must be before sales_end, {closes.isoformat()}"
