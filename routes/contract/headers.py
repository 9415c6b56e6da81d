"""Reads the request headers that decide something.

Rule: such a header may be sent once. Where two are sent, a proxy in front may have checked one of
them while the service believes the other, so two are refused with 400.
"""

from multidict import MultiMapping, istr

from routes.contract.errors import repeated

AUTHORIZATION = istr("Authorization")
API_KEY = istr("X-API-Key")
IDEMPOTENCY_KEY = istr("Idempotency-Key")

_SENT_ONCE = (AUTHORIZATION, API_KEY, IDEMPOTENCY_KEY)


def sent_once(sent: MultiMapping[str], name: istr) -> str | None:
    """The header's value, or None. Raises ApiError 400 if it was sent twice."""
    values = sent.getall(name, None)
    if values is None:
        return None
    if len(values) > 1:
        raise repeated("header", name)
    return values[0]


def refuse_duplicates(sent: MultiMapping[str]) -> None:
    """Raise ApiError 400 if a header that decides something was sent twice."""
    for name in _SENT_ONCE:
        sent_once(sent, name)
