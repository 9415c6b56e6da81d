"""Reads the request headers that decide something.

Rule: such a header may be sent once. Where two are sent, a proxy in front may have checked one of
them while the service believes the other, so two are refused with 400.
"""

import re

from multidict import MultiMapping, istr

from routes.contract.errors import invalid, repeated

AUTHORIZATION = istr("Authorization")
API_KEY = istr("X-API-Key")
IDEMPOTENCY_KEY = istr("Idempotency-Key")

KEY_MAX = 255
_BARE_KEY = re.compile(rf"[\x20-\x7e]{{1,{KEY_MAX}}}")
# RFC 8941, section 3.3.3: a string in quotes, in which \" and \\ stand for " and \.
_QUOTED_KEY = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')

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


def idempotency_key(sent: MultiMapping[str]) -> str | None:
    """The request's key, or None. Raises ApiError 400 for what is none."""
    given = sent.get(IDEMPOTENCY_KEY)
    if given is None:
        return None
    given = given.strip()
    if given.startswith('"'):
        quoted = _QUOTED_KEY.fullmatch(given)
        if quoted is not None:
            return re.sub(r"\\(.)", r"\1", quoted[1])
    elif is_bare_key(given):
        return given
    message = "Idempotency-Key must be 1 to 255 printable characters, bare or in quotes"
    raise invalid(("header.Idempotency-Key", message))


def is_bare_key(text: str) -> bool:
    """Whether `text` may be a key, without quotes around it."""
    return _BARE_KEY.fullmatch(text) is not None
