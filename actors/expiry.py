"""Looks for holds that have expired, and blocks to free, at events that this worker has in memory.

Rules:

1. The clock ends a hold or a block; what is done here only writes that down, through the event's
   own actor and in the order of its other moves, and may be done at any time, twice, or by two
   owners at once.
2. Events that were not busy lately are looked after by `evently.hold_sweeping`.
"""

from collections.abc import Callable

from actors.event_actor import EventActor

# Reads of an event show seats as held, or kept back, for as long as this at most after their time.
TICK_S = 1.0


class Expiry:
    """The actors whose events have seats that the clock may free; `tick` has it done."""

    def __init__(
        self, lives: Callable[[EventActor], bool], ready: Callable[[EventActor], None]
    ) -> None:
        self._lives = lives
        self._ready = ready
        self._holding: set[EventActor] = set()

    def note(self, actor: EventActor) -> None:
        """The event has holds, or a block to be freed."""
        self._holding.add(actor)

    def tick(self) -> None:
        """Have every event expire what is due, and forget those that have nothing to expire."""
        for actor in list(self._holding):
            state = actor.state
            if state is None or not state.expires or not self._lives(actor):
                self._holding.discard(actor)
            elif actor.holds.has_due(state):
                actor.look_for_expired()
                self._ready(actor)
