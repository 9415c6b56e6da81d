"""What an actor knows of the holds of its event: rows for its next plan, and when to ask again.

Rules:

1. The rows of holds are good for one plan. They come with the version that the event had when they
   were read, and are used if that is the one that the plan starts from.
2. Rows that are read while a batch is in progress are of the version before it or after it. What
   the batch changes is put in place of the former, so both are rows of the version after it; if it
   is not committed, they are dropped.
3. Its open holds are remembered by the worker (`hold_memory`) while every commit of the event is
   this actor's: a chain. Where one is found that is not, a new chain begins, of which nothing is
   remembered. There is no timer, only the time at which the first of them expires.
4. Nobody hears that there are too few seats while a hold whose time has passed may have them. What
   the database said of that is good until the next hold expires, or for HOPE_S, so that a stampede
   on an event whose seats are all held is no stampede of questions.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from actors.clock import DatabaseClock
from actors.hold_memory import HoldMemory
from actors.mailbox import Mailbox
from evently.domain.commands import HOLD_STEPS, Expire
from evently.domain.commits import Batch, DueHolds
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
# No event was ever there.
_NOWHERE = (0, 0, datetime.min.replace(tzinfo=UTC))


class HoldRows:
    """The holds of one event that has some, or has blocks to free.

    `wanted` if an envelope may wait that needs rows; `looks` while one is to expire what is due.
    `batch` is the one in progress, for as long as rows may be read for the plan after it.
    """

    __slots__ = (
        "_chain",
        "_chain_at",
        "_clock",
        "_due_s",
        "_hope_s",
        "_looked",
        "_mailbox",
        "_memory",
        "_next_expires_at",
        "_rows",
        "_version",
        "batch",
        "looks",
        "wanted",
    )

    def __init__(self, clock: DatabaseClock, mailbox: Mailbox, memory: HoldMemory) -> None:
        self._clock = clock
        self._mailbox = mailbox
        self._memory = memory
        # The commits that were made here one after the other, and what the last of them made.
        self._chain, self._chain_at = 0, _NOWHERE
        # What was read for the next plan, and of which version.
        self._rows = NO_HOLDS
        self._version = 0
        self._looked = False
        self.batch: Batch | None = None
        self._next_expires_at: datetime | None = None
        # When to look for holds that have expired, whoever asks, and whoever would be refused.
        self._due_s = self._hope_s = float("-inf")
        self.wanted = self.looks = False

    def questions(self, version: int, at_most: int) -> tuple[list[str], bool]:
        """The holds that the first who wait name, and whether expired ones are looked for.

        Those that were read of this `version`, or are remembered, need not be read.
        """
        commands = [envelope.request.command for envelope in self._mailbox.peek(at_most)]
        named = [one.hold_id for one in commands if isinstance(one, HOLD_STEPS)]
        due = any(isinstance(one, Expire) for one in commands)
        self.wanted = due or bool(named)
        rows = self._of(version)
        unread = [hold_id for hold_id in dict.fromkeys(named) if hold_id not in rows]
        if version == self._chain_at[0]:
            self._rows = rows = {**rows, **self._recall(unread)}
            return [hold_id for hold_id in unread if hold_id not in rows], due
        if self.batch is not None and _place(self.batch.base) == self._chain_at:
            # They are asked for in the middle of the batch, after which they are remembered still.
            unread = [one for one in unread if not self._memory.knows(self._chain, one)]
        return unread, due

    def _recall(self, hold_ids: Sequence[str]) -> dict[str, Hold]:
        found = ((hold_id, self._memory.recall(self._chain, hold_id)) for hold_id in hold_ids)
        return {hold_id: hold for hold_id, hold in found if hold is not None}

    def sent(self, batch: Batch) -> None:
        """`batch` is in progress: what is read meanwhile is for the plan after it."""
        self.batch = batch

    def read_ahead(self, batch: Batch, rows: Holds, version: int | None) -> None:
        """Take over what was read of this `version` while `batch` was in progress."""
        if batch is not self.batch or version not in {batch.base.version, batch.after.version}:
            return
        changed = {hold.hold_id: hold for hold in batch.holds if hold.hold_id in rows}
        self._rows = {**self._of(batch.after.version), **rows, **changed}

    def forget(self) -> None:
        """Drop what was read, and what is on its way: it may not be so."""
        self._rows, self.batch = NO_HOLDS, None

    def read(self, rows: Holds, version: int, due: DueHolds | None) -> None:
        """Take over what was read of this `version`; `due` is None if nobody looked for it."""
        self._rows, self._looked = {**self._of(version), **rows}, due is not None
        if due is not None:
            self.looks = False
            self._rows = {**self._rows, **{hold.hold_id: hold for hold in due.holds}}
            self._next_expires_at = due.next_expires_at
            self._due_s = self._when(due.next_expires_at)
            self._hope_s = min(self._clock.monotonic() + HOPE_S, self._due_s)

    def take(self, version: int) -> HoldsRead:
        """What was read for the plan on this `version`, and is not there for the next one."""
        hopes = self._clock.monotonic() >= self._hope_s
        taken = HoldsRead(self._of(version), self._looked, hopes, self._next_expires_at)
        self._looked = False
        self.forget()
        return taken

    def _of(self, version: int) -> Holds:
        """What was read of this `version`; nothing is kept of another one."""
        if version != self._version:
            self._rows, self._version = NO_HOLDS, version
        return self._rows

    @property
    def due(self) -> bool:
        """Whether it is time to look for holds that have expired."""
        return self._clock.monotonic() >= self._due_s

    def has_due(self, state: EventState) -> bool:
        """Whether it is time to look for holds that have expired, or to free a block of `state`."""
        if state.held_seats > 0 and self.due:
            return True
        return state.releases(self._clock.now()) and not self.looks

    def looking(self) -> None:
        """Somebody looks: nobody else need until the answer is there."""
        self._due_s = _NEVER
        self.wanted = self.looks = True

    def missed(self) -> None:
        """What was due was not expired after all: look again at the next occasion."""
        self._due_s = self._hope_s = float("-inf")
        self.looks = False

    def saw(self, state: EventState | None) -> None:
        """The event was read, or is in question: what was not made here ends the chain."""
        if state is None or _place(state) != self._chain_at:
            self._chain_at = _NOWHERE

    def committed(self, batch: Batch, state: EventState | None) -> None:
        """The batch was committed, and left this `state`; None if that is in question."""
        if _place(batch.base) != self._chain_at:
            self._chain = self._memory.new_chain()
        self._chain_at = _NOWHERE if state is None else _place(state)
        self._memory.note(self._chain, batch.holds)
        if not batch.base.held_seats:
            self._due_s = _NEVER
        ends = [hold.expires_at for hold in batch.holds if hold.status is HoldStatus.HELD]
        if ends:
            self._due_s = min(self._due_s, self._when(min(ends)))

    def _when(self, moment: datetime | None) -> float:
        """A moment by the monotonic clock."""
        if moment is None:
            return _NEVER
        return self._clock.monotonic() + (moment - self._clock.now()).total_seconds()


def _place(state: EventState) -> tuple[int, int, datetime]:
    """Tells a commit from any other, also from one that has its number in another history."""
    return state.version, state.fence, state.updated_at
