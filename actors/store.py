"""What the actors need of a database.

Rule: the committed truth comes from here; `evently.domain.commits` says what its answers and
its errors mean.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from evently.domain.commits import (
    Batch,
    Committed,
    DueHolds,
    EventHold,
    EventKey,
    FoundHolds,
    HeldRows,
    Loaded,
    Noted,
)


class Lane(Protocol):
    """One connection that commits, one statement at a time."""

    async def commit(self, batches: Sequence[Batch]) -> Committed:
        """Commit all batches whose base version and fence still stand, in one statement."""
        ...

    async def held(self, batches: Sequence[Batch]) -> HeldRows:
        """What these batches would have to wait for. It waits for nothing itself."""
        ...

    async def close(self) -> None:
        """Drop the connection."""
        ...


class EventStore(Protocol):
    """The committed truth about events."""

    def lane(self) -> Lane:
        """A new connection to commit on, made when it is first used."""
        ...

    def when_lost(self, forget: Callable[[], None]) -> None:
        """Call `forget` whenever what was read or committed here may be gone."""
        ...

    async def load(self, event_ids: Sequence[str]) -> Loaded:
        """The committed states of these events."""
        ...

    async def recall(self, keys: Sequence[EventKey]) -> Mapping[EventKey, Noted]:
        """What was done or finally refused under these keys; absent where nothing was."""
        ...

    async def find_holds(self, holds: Sequence[EventHold]) -> FoundHolds:
        """The rows of these holds, as of one moment."""
        ...

    async def due_holds(self, event_ids: Sequence[str]) -> Mapping[str, DueHolds]:
        """Those of each event whose time has passed, by the database's clock."""
        ...
