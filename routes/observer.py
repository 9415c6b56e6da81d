"""What the HTTP side reports to whoever counts and traces.

Rule: it is told after the fact and decides nothing.
"""

from typing import Protocol

from evently.domain.outcomes import Answer


class Observer(Protocol):
    """Who counts what is answered.

    One that `asks_for_names` finds in `routes.request_context` which request was answered.
    """

    asks_for_names: bool

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the endpoint's pattern, never a path."""
        ...

    def moved(self, kind: str, answer: Answer) -> None:
        """A seat move (`reserve` or `return`) was decided."""
        ...

    def exposition(self) -> bytes:
        """The metrics of all workers as Prometheus text."""
        ...
