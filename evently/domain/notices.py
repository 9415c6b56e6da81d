"""What a change of an event means to those who follow the feed of changes.

Rules:

1. A version has one notice or none. An ordinary seat move has none; nor has what only admins see.
2. A notice may be of two kinds, for a change of the capacity may sell an event out or reopen it.
   The kind that says more about the seats comes first.
3. `completed` is told by the clock, which changes nothing, so there is no notice of it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from evently.domain.value import value


class ChangeKind(StrEnum):
    """What happened to an event that its followers act upon."""

    PUBLISHED = "published"
    UPDATED = "updated"
    CANCELLED = "cancelled"
    SOLD_OUT = "sold_out"
    REOPENED = "reopened"
    HOLDS_EXPIRED = "holds_expired"


@value
class Notice:
    """The kinds of a change, and its details as they are answered: JSON values by name."""

    kinds: tuple[ChangeKind, ...]
    data: Mapping[str, Any]

    def __hash__(self) -> int:
        """Hash the kinds; `data` is a mapping and has no hash."""
        return hash(self.kinds)


SOLD_OUT = Notice((ChangeKind.SOLD_OUT,), {})
REOPENED = Notice((ChangeKind.REOPENED,), {})
PUBLISHED = Notice((ChangeKind.PUBLISHED,), {})
CANCELLED = Notice((ChangeKind.CANCELLED,), {})
