"""Bad requests, and what each gets: data, which `test_attacks.py` plays against a real service.

Rule: a row is one request as it goes over the wire, and its answer; adding an attack is adding a
row.
"""

from tests.acceptance.attacks.admins import ADMINS, OWNERSHIP
from tests.acceptance.attacks.bodies import (
    BODIES,
    ENCODINGS,
    GOOD_MEDIA_TYPES,
    MEDIA_TYPES,
    NO_TYPE,
    NUMBERS,
)
from tests.acceptance.attacks.callers import HEADERS, INTERNAL_KEYS, TOKENS
from tests.acceptance.attacks.fields import EVENT_FIELDS, TIMES, VENUE_FIELDS
from tests.acceptance.attacks.paths import IDS, METHODS, QUERIES
from tests.acceptance.attacks.requests import Attack

ATTACKS: tuple[Attack, ...] = (
    *BODIES,
    *MEDIA_TYPES,
    *GOOD_MEDIA_TYPES,
    NO_TYPE,
    *ENCODINGS,
    *NUMBERS,
    *EVENT_FIELDS,
    *TIMES,
    *VENUE_FIELDS,
    *QUERIES,
    *IDS,
    *METHODS,
    *TOKENS,
    *INTERNAL_KEYS,
    *HEADERS,
    *ADMINS,
    *OWNERSHIP,
)
