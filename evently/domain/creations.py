"""Creations under a key that their caller chose, so that repeating one creates nothing more.

Rule: a key is its admin's own, and stands for one creation of one thing for as long as there is a
record of it. Whatever else is asked under it is refused.
"""

from evently.domain.value import value


@value
class Creation:
    """A request to create something; `request` is a digest of all that it says."""

    admin_id: str
    key: str
    request: bytes


@value
class CreatedBefore:
    """The key has created `subject_id`, by the same request."""

    subject_id: str
