"""Where a change comes from.

Rule: the ledger, the audit log and the access log name it in the same two words.
"""

from evently.domain.value import value


@value
class Origin:
    """The caller's name (`admin:<id>`, or that of an internal key), and the request's id."""

    caller: str
    request_id: str
