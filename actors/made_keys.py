"""Makes the keys of requests that come without one.

Rule: a key is secret, for whoever foresees one could use it first; so it comes from the system's
randomness, in a space that no client's key is in.
"""

import os

# No client's key has this character (`routes/contract/headers.py` takes printable ASCII).
MADE = "\u00a7"
_KEY_BYTES = 16
# A call of the system costs five times what a key does: one for every 256 of them.
_POOL_BYTES = 4096


class _Keys:
    """Draws keys, from bytes that this process alone has read."""

    def __init__(self) -> None:
        self._forget()
        # A child would go on to draw the keys that its parent draws.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._pool, self._at = b"", 0

    def draw(self) -> str:
        at = self._at
        if at == len(self._pool):
            self._pool, at = os.urandom(_POOL_BYTES), 0
        self._at = at + _KEY_BYTES
        return MADE + self._pool[at : self._at].hex()


# 128 bits that nobody can foresee.
made_key = _Keys().draw
