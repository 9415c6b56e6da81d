"""Makes ids for requests.

Rule: an id of a request is unique and not secret: every caller sees its own. So no key of a move
comes from this generator (`actors/made_keys.py` has theirs).
"""

from random import Random

_random = Random()  # noqa: S311 - unique, not secret


def random_id() -> str:
    """32 random hexadecimal digits; a tenth of the cost of uuid4."""
    return _random.randbytes(16).hex()
