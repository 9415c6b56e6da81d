"""What an actor knows of the holds of its event: rows for its next plan, and when to ask again.

Rules:

1. The rows of holds are good for one plan: the one in the turn in which they were read. They come
   with the event's version then, and are used if that is the one that the plan starts from.
2. Nothing of a hold is kept from one turn to the next, but the time at which the first of them
   expires: no memory per hold, and no timer.
3. Nobody hears that there are too few seats while a hold whose time has passed may have them. What
   the database said of that is good until the next hold expires, or for HOPE_S, so that a stampede
   on an event whose seats are all held is no stampede of questions.
"""

from collections.abc import Sequence
from datetime import datetime

from actors.clock import DatabaseClock
from actors.envelope import Envelope
from evently.domain.commands import HOLD_STEPS, Expire
from evently.domain.commits import DueHolds
from evently.domain.holds import NO_HOLDS, Hold, Holds, HoldStatus
from evently.domain.state import EventState
from evently.domain.value import value


@value
class HoldsRead:
    """What a plan knows of holds.

    `rows` are those that were read for it by id, None where there is no such hold, with the expired
    ones if these were `looked` for. It `hopes` if one may have expired that nobody has looked for;
    the next one does at `next_expires_at`, if that is known.
    """

    rows: Holds
    looked: bool
    hopes: bool
    next_expires_at: datetime | None


NOTHING_READ = HoldsRead(NO_HOLDS, looked=False, hopes=True, next_expires_at=None)
# Another owner may have placed a hold that this one knows nothing of. They last for half a minute
# at least, so a second finds most of them at once.
HOPE_S = 1.0

_NEVER = float("inf")


class HoldRows:
    """The holds of one event that has some, or has blocks to free.

    `wanted` if an envelope may wait that needs rows; `looks` while one is to expire what is due.
    """

    __slots__ = (
        "_clock",
        "_due_s",
        "_hope_s",
        "_looked",
        "_next_expires_at",
        "_rows",
        "looks",
        "wanted",
    )

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock
        self._rows = NO_HOLDS
        self._looked = False
        self._next_expires_at: datetime | None = None
        # When to look for holds that have expired, whoever asks, and whoever would be refused.
        self._due_s = self._hope_s = float("-inf")
        self.wanted = self.looks = False

    def questions(self, waiting: Sequence[Envelope]) -> tuple[list[str], bool]:
        """The holds that those who wait name, and whether expired ones are looked for."""
        commands = [envelope.request.command for envelope in waiting]
        named = [one.hold_id for one in commands if isinstance(one, HOLD_STEPS)]
        due = any(isinstance(one, Expire) for one in commands)
        self.wanted = due or bool(named)
        return list(dict.fromkeys(named)), due

    def read(self, rows: Holds, due: DueHolds | None) -> None:
        """Take over what was read for the next plan; `due` is None if nobody looked for it."""
        self._rows, self._looked = rows, due is not None
        if due is not None:
            self.looks = False
            self._rows = {**rows, **{hold.hold_id: hold for hold in due.holds}}
            self._next_expires_at = due.next_expires_at
            self._due_s = self._when(due.next_expires_at)
            self._hope_s = min(self._clock.monotonic() + HOPE_S, self._due_s)

    def take(self) -> HoldsRead:
        """What was read for this plan, and is not there for the next one."""
        hopes = self._clock.monotonic() >= self._hope_s
        taken = HoldsRead(self._rows, self._looked, hopes, self._next_expires_at)
        self._rows, self._looked = NO_HOLDS, False
        return taken

    @property
    def due(self) -> bool:
        """Whether it is time to look for holds that have expired."""
        return self._clock.monotonic() >= self._due_s

    def has_due(self, state: EventState, now: datetime) -> bool:
        """Whether it is time to look for holds that have expired, or to free a block of `state`."""
        return (state.held_seats > 0 and self.due) or (state.releases(now) and not self.looks)

    def looking(self) -> None:
        """Somebody looks: nobody else need until the answer is there."""
        self._due_s = _NEVER
        self.wanted = self.looks = True

    def missed(self) -> None:
        """What was due was not expired after all: look again at the next occasion."""
        self._due_s = self._hope_s = float("-inf")
        self.looks = False

    def committed(self, holds: Sequence[Hold], *, first: bool) -> None:
        """These holds were committed; they are the `first` if none were held before."""
        if first:
            self._due_s = _NEVER
        ends = [hold.expires_at for hold in holds if hold.status is HoldStatus.HELD]
        if ends:
            self._due_s = min(self._due_s, self._when(min(ends)))

    def _when(self, moment: datetime | None) -> float:
        """A moment by the monotonic clock."""
        if moment is None:
            return _NEVER
        return self._clock.monotonic() + (moment - self._clock.now()).total_seconds()
