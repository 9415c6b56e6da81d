"""The places of the feed of changes as clients keep them: opaque, and of one feed alone.

Rule: a cursor that this feed has not given is refused, never taken for a place in it.
"""

import base64
import binascii
import struct
from uuid import UUID
from zlib import crc32

from db.change_feed import Mark
from routes.contract.errors import ApiError, Code, invalid

# A form that is no longer read is refused by its first byte.
_FORM = 1
_BODY = struct.Struct(">B16sq16sq")
_CHECK = struct.Struct(">I")
_BYTES = _BODY.size + _CHECK.size
CHARACTERS = -(-_BYTES * 4 // 3)


def cursor_of(feed_id: str, mark: Mark) -> str:
    """The cursor of a place in a feed: letters, digits, `-` and `_`."""
    event_id = UUID(mark.event_id).bytes
    body = _BODY.pack(_FORM, UUID(feed_id).bytes, mark.position, event_id, mark.version)
    return base64.urlsafe_b64encode(body + _CHECK.pack(crc32(body))).rstrip(b"=").decode()


def read_cursor(text: str) -> tuple[str, Mark]:
    """The feed and the place of a cursor. Raises ApiError 400 for what is none."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != _BYTES:
        raise not_ours()
    body, check = raw[: _BODY.size], raw[_BODY.size :]
    form, feed_id, position, event_id, version = _BODY.unpack(body)
    if form != _FORM or check != _CHECK.pack(crc32(body)):
        raise not_ours()
    return str(UUID(bytes=feed_id)), Mark(position, str(UUID(bytes=event_id)), version)


def not_ours() -> Exception:
    """The refusal of a cursor that is none of this feed."""
    message = (
        "after must be a `next` that this feed has answered; if it was another database's, read a"
        " snapshot and begin anew with after=latest"
    )
    return invalid(("query.after", message))


def expired() -> ApiError:
    """410 for a cursor of this feed after which changes were archived."""
    message = (
        "Changes after this cursor are archived; take after=latest, read the snapshot at"
        " /internal/events, and go on from there"
    )
    return ApiError(Code.CURSOR_EXPIRED, message)
