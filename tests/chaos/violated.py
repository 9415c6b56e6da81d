"""How the parts of the check tell what they have found."""

from typing import Protocol


class Violated(Protocol):
    """Notes a finding: its kind, what is wrong, and the key that it is about."""

    def __call__(self, kind: str, what: str, key: str | None = None, /) -> None:
        """Note it."""
