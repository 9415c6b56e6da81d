"""What an actor knows of its event's committed state, and how far that can be trusted.

Rule: a state is proven as of the time before its statement was sent, never as of the answer. What
was asked for before a doubt arose proves nothing.
"""

from actors.clock import DatabaseClock
from evently.domain.state import EventState

_NEVER = float("-inf")


class KnownState:
    """One event's `state`, None until it was read; times are the monotonic clock's, in seconds."""

    __slots__ = (
        "_clock",
        "_proven_at_s",
        "_questioned_at_s",
        "_taken_at_s",
        "asked_at_s",
        "questioned",
        "state",
    )

    def __init__(self, clock: DatabaseClock) -> None:
        self.state: EventState | None = None
        # Before the last statement was sent that reads this state or builds on it.
        self.asked_at_s = _NEVER
        # Whether the database may have got another history since.
        self.questioned = False
        self._clock = clock
        self._proven_at_s = self._questioned_at_s = self._taken_at_s = _NEVER

    def ask(self) -> None:
        """A statement is about to be sent that reads the state, or builds on it."""
        self.asked_at_s = self._clock.monotonic()
        self.questioned = False

    def take_over(self, state: EventState | None, *, proven: bool = True) -> None:
        """Take over the state that the last statement read or made; `proven` if it is all true."""
        self._take(state)
        self._proven_at_s = self.asked_at_s if proven and not self.questioned else _NEVER

    def refresh(self, state: EventState, asked_at_s: float) -> bool:
        """Take over what another statement read; False if it is out of date, or in question."""
        known = self.state
        earlier = known is not None and state.place < known.place
        if asked_at_s <= self._questioned_at_s or (earlier and asked_at_s <= self._taken_at_s):
            return False
        self._take(state)
        self._proven_at_s = max(asked_at_s, self._proven_at_s)
        return True

    def doubt(self) -> None:
        """Another writer has moved the event."""
        self._proven_at_s = _NEVER

    def question(self) -> None:
        """The database may have another history: what was asked for until now proves nothing."""
        self._questioned_at_s = self._clock.monotonic()
        self.questioned = True
        self.doubt()

    def fresh(self, now_s: float, max_age_s: float) -> bool:
        """Whether the state was proven at most `max_age_s` ago."""
        return now_s - self._proven_at_s <= max_age_s

    def lost(self, state: EventState | None, asked_at_s: float) -> bool:
        """Whether `state` lacks what had been committed when it was asked for.

        `asked_at_s` is a time before its statement was sent. The state is None for an event that
        is gone.
        """
        if self.state is None:
            return False
        behind = state is None or state.place < self.state.place
        return behind and asked_at_s > self._taken_at_s

    def _take(self, state: EventState | None) -> None:
        self.state = state
        self._taken_at_s = self._clock.monotonic()
