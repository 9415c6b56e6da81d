"""A hold: seats that are kept for a buyer who is paying, until a time.

Rules:

1. The seats of a hold are in `held_seats` of its event for as long as its stored status is `held`;
   they can be sold to nobody else, because they are not in `available_seats`.
2. A hold ends by the clock: once its time has passed it reads `expired`, whatever is stored. That
   is written later, and only the writing gives its seats back.
3. No hold outlives LIFE_MAX_S, however often it is prolonged.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import TypeAlias

from evently.domain.value import value

# Shorter than it takes to type in a card's number, a hold only makes buyers fail.
DURATION_MIN_S = 30
# Longer than it takes to pay with any means that does not take days.
LIFE_MAX_S = 7200
# A quarter of an hour, as most shops give.
DURATION_DEFAULT_S = 900
# Holds that expire in one version: the event's row is locked for as long as writing these takes,
# which is some milliseconds.
EXPIRED_MAX = 256

_LIFE_MAX = timedelta(seconds=LIFE_MAX_S)


class HoldStatus(StrEnum):
    """What has become of a hold."""

    HELD = "held"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    EXPIRED = "expired"


@value
class Hold:
    """A hold as it is stored.

    `unit_price` is the event's price when the hold was placed. `closed_at` is when it ended, None
    while it is held. `retaken` tells that it was confirmed after its time. `amount` is what was
    paid for it in total, None until it is confirmed.
    """

    hold_id: str
    quantity: int
    unit_price: Decimal
    status: HoldStatus
    reference: str | None
    held_at: datetime
    expires_at: datetime
    closed_at: datetime | None = None
    retaken: bool = False
    amount: Decimal | None = None

    @property
    def latest_expires_at(self) -> datetime:
        """The time that it can be prolonged to."""
        return self.held_at + _LIFE_MAX

    def status_at(self, now: datetime) -> HoldStatus:
        """The status to answer: what is held is expired once its time has passed."""
        if self.status is HoldStatus.HELD and self.expires_at <= now:
            return HoldStatus.EXPIRED
        return self.status

    def at(self, now: datetime) -> "Hold":
        """The hold as it is answered at `now`."""
        status = self.status_at(now)
        if status is self.status:
            return self
        return Hold(
            self.hold_id,
            self.quantity,
            self.unit_price,
            status,
            self.reference,
            self.held_at,
            self.expires_at,
            self.expires_at,
            self.retaken,
            self.amount,
        )


# Holds of one event as they are stored, by id; None where there is no such hold.
Holds: TypeAlias = Mapping[str, Hold | None]
NO_HOLDS: Holds = MappingProxyType({})


def hold_id_of(event_id: str, caller: str, key: str) -> str:
    """The id of the hold that `caller` places under `key`: a repetition names the same one.

    A UUID of version 8 (RFC 9562): its 122 free bits are a digest, so that nobody who does not know
    the key can name the hold.
    """
    digest = bytearray(sha256(f"{event_id} {caller} {key}".encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
