"""Cross-origin requests: refused by every browser unless an origin is configured.

Rule: only configured origins are named, one at a time; never `*`, never with credentials.
"""

from collections.abc import Collection

from multidict import MultiMapping

# A browser asks again after this long; Chromium's own limit is two hours.
MAX_AGE_S = 600
_HEADERS = "Authorization, Content-Type, If-None-Match, X-Request-ID"
_EXPOSED = "ETag, Retry-After, X-Request-ID"


def allow_origin(
    sent: MultiMapping[str], headers: dict[str, str], origins: Collection[str]
) -> None:
    """Allow the origin of a request in its response if it is a configured one."""
    headers["Vary"] = "Origin"
    origin = sent.get("Origin")
    if origin is not None and origin in origins:
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = _EXPOSED


def preflight(
    sent: MultiMapping[str], headers: dict[str, str], allowed: str, origins: Collection[str]
) -> None:
    """Tell a configured origin what it may send."""
    if sent.get("Origin") in origins:
        headers["Access-Control-Allow-Methods"] = allowed
        headers["Access-Control-Allow-Headers"] = _HEADERS
        headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
