"""Remembers the keys that were told OUTCOME_UNKNOWN, until they have an answer.

Rules:

1. After OUTCOME_UNKNOWN nobody hears of that key that nothing was done, whatever the reason: its
   first try may be committed, and only an answer (of the ledger, or of a commit) says otherwise.
2. The memory is one for all the events of a worker, and outlives their actors.
"""

from collections import OrderedDict

from actors.envelope import Request
from evently.domain.errors import Fault, OutcomeUnknown

# At 200 bytes each 3 MB. A statement that does not return leaves a few hundred keys behind, and
# those of an outage are asked again until they are answered.
KEYS_MAX = 16_384


class UnknownOutcomes:
    """The latest keys of unknown outcome, by event, caller and key."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        self._keys: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._max = keys_max

    def __len__(self) -> int:
        return len(self._keys)

    def told(self, event_id: str, request: Request, fault: Fault) -> Fault:
        """What the caller hears of `fault`: that the outcome is unknown, if it is or was before."""
        if not request.keyed:
            return fault
        unknown = isinstance(fault, OutcomeUnknown)
        if not unknown and not request.doubtful and not self.holds(event_id, request):
            return fault
        key = (event_id, *request.scope)
        self._keys[key] = None
        self._keys.move_to_end(key)
        while len(self._keys) > self._max:
            self._keys.popitem(last=False)
        return fault if unknown else OutcomeUnknown(request.key)

    def holds(self, event_id: str, request: Request) -> bool:
        """Whether the caller was told that the outcome under this key is unknown."""
        return bool(self._keys) and (event_id, *request.scope) in self._keys

    def answered(self, event_id: str, request: Request) -> None:
        """The key has its answer."""
        if self._keys:
            self._keys.pop((event_id, *request.scope), None)
