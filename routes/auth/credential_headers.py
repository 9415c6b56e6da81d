"""Reads the headers that say who calls.

Rule: such a header stands once. Of two, a proxy in front may have checked the one and we would
believe the other, so two are 400.
"""

from multidict import MultiMapping, istr

from routes.contract.errors import invalid

AUTHORIZATION = istr("Authorization")
API_KEY = istr("X-API-Key")


def credential(headers: MultiMapping[str], name: istr) -> str | None:
    """The header's value, or None. Raises ApiError 400 where it stands twice."""
    values = headers.getall(name, None)
    if values is None:
        return None
    if len(values) > 1:
        raise invalid((f"headers.{name}", f"{name} must be sent once"))
    return values[0]
