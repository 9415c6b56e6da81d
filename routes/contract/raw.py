"""An answer whose bytes are ready.

Rule: the dispatcher sends it as it is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is not JSON, or is encoded already; `status` 0 is the endpoint's own."""

    body: bytes
    content_type: str = "application/json"
    status: int = 0
