"""Creates under the key that an admin sends, once.

Rule: what a key has created is looked up first, and is the answer, whatever has become of the
request's other conditions since. After a fault that leaves it open whether something was created,
the same key tells.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from evently.domain.creations import CreatedBefore, Creation
from evently.domain.errors import AnswerLost, OutcomeUnknown
from evently.domain.outcomes import KeyReused
from routes.call import Call
from routes.contract.errors import key_reused
from routes.contract.headers import idempotency_key


def creation_of(call: Call) -> Creation | None:
    """The creation that the request's key stands for; None if it has no key."""
    key = idempotency_key(call.sent)
    if key is None:
        return None
    # Without the defaults, so that a release with more optional fields takes the same request for
    # the same.
    said = call.body.model_dump(mode="json", exclude_defaults=True)
    text = json.dumps([type(call.body).__name__, said], sort_keys=True)
    return Creation(call.admin.admin_id, key, hashlib.sha256(text.encode()).digest())


async def created_before(call: Call, creation: Creation | None) -> str | None:
    """The id of what the key has created, or None. Raises ApiError 422 for another request."""
    if creation is None:
        return None
    found = await call.services.creations.find(creation)
    return None if found is None else earlier(call, found)


def earlier(call: Call, found: CreatedBefore | KeyReused) -> str:
    """The id of what the key has created. Raises ApiError 422 for another request."""
    if isinstance(found, KeyReused):
        raise key_reused({"request_key": found.key})
    call.headers["Idempotent-Replayed"] = "true"
    return found.subject_id


@contextmanager
def told_by_its_key(creation: Creation | None) -> Iterator[None]:
    """Within it a lost answer to a creation with a key is an outcome that the key will tell."""
    try:
        yield
    except AnswerLost as fault:
        if creation is None:
            raise
        raise OutcomeUnknown(creation.key) from fault
