"""What the HTTP side reports for metrics and traces.

Rule: it is told after the fact and decides nothing.
"""

from typing import Protocol

from evently.domain.outcomes import Answer


class Observer(Protocol):
    """Counts answers.

    If it `asks_for_names`, `routes.request_context` says which request was answered.
    """

    asks_for_names: bool

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is the endpoint's pattern, never a path."""
        ...

    def served(self, service: str, status: int) -> None:
        """A call with an internal key was answered; `service` is the key's name."""
        ...

    def moved(self, kind: str, answer: Answer) -> None:
        """A seat move or a hold's (`reserve`, `return`, `hold`, `confirm`, ...) was decided."""
        ...

    def refused(self, code: str) -> None:
        """A request was answered with the error `code`."""
        ...

    def move_failed(self, kind: str, code: str) -> None:
        """A seat move of a large request met a fault, and was answered with the error `code`."""
        ...

    async def exposition(self) -> bytes:
        """The metrics of all workers as Prometheus text."""
        ...
