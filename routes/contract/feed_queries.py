"""What clients ask of the feed of changes and of the snapshot that goes before it.

Rule: a number out of its range is refused here and never cut, since a consumer that asked for more
than it gets would take the rest for missing.
"""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema, field_validator

from evently.domain.notices import ChangeKind
from routes.contract.cursor import CHARACTERS
from routes.contract.fields import Query, Uuid
from routes.contract.id_lists import ID, Ids
from routes.contract.refusal import refusal
from routes.contract.texts import BLANK_IS_ABSENT

LIMIT_MAX = 500
CHANGES_DEFAULT = 100
# A load balancer cuts a silent connection off after 15 s.
WAIT_S_MAX = 10
LATEST = "latest"

_WHOLE = re.compile(r"[0-9]{1,4}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6})?", re.ASCII)
_CURSOR = re.compile(rf"{LATEST}|[A-Za-z0-9_-]{{{CHARACTERS}}}", re.ASCII)


def _limit(text: Any) -> int:
    if isinstance(text, int):
        return text
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= LIMIT_MAX:
        raise refusal(f"must be a whole number from 1 to {LIMIT_MAX}")
    return int(text)


def _seconds(text: Any) -> float:
    if isinstance(text, int):
        return text
    if not _SECONDS.fullmatch(text) or float(text) > WAIT_S_MAX:
        raise refusal(f"must be a number of seconds from 0 to {WAIT_S_MAX}")
    return float(text)


def _cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise refusal(f"must be `{LATEST}` or a `next` that was answered")
    return text


def _kinds(text: Any) -> frozenset[ChangeKind]:
    if isinstance(text, frozenset):
        return text
    try:
        return frozenset(map(ChangeKind, text.split(",")))
    except ValueError as error:
        known = ", ".join(ChangeKind)
        raise refusal(f"must be kinds of changes between commas, of: {known}") from error


_SCHEMA = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX}
PageSize = Annotated[int, BeforeValidator(_limit), WithJsonSchema(_SCHEMA)]


class ChangesQuery(Query):
    """Which changes, and how long to wait for the first of them."""

    after: Annotated[
        Annotated[
            str,
            BeforeValidator(_cursor),
            WithJsonSchema(
                {
                    "type": "string",
                    "pattern": f"^(?:{_CURSOR.pattern}|)$",
                    "description": "The `next` of the last answer; `latest` for the place after all"
                    " changes until now; absent for the first change",
                    "examples": [LATEST],
                }
            ),
        ]
        | None,
        BLANK_IS_ABSENT,
    ] = None
    limit: PageSize = CHANGES_DEFAULT
    wait_s: Annotated[
        float,
        BeforeValidator(_seconds),
        WithJsonSchema(
            {
                "type": "number",
                "minimum": 0,
                "maximum": WAIT_S_MAX,
                "description": "How long to wait for the first change, where there is none",
            }
        ),
    ] = 0
    kinds: Annotated[
        Annotated[
            frozenset[ChangeKind],
            BeforeValidator(_kinds, json_schema_input_type=str),
            WithJsonSchema(
                {
                    "type": "string",
                    "pattern": f"^(?:(?:{'|'.join(ChangeKind)})(?:,(?:{'|'.join(ChangeKind)}))*|)$",
                    "description": "Changes of these kinds only, between commas",
                    "examples": ["sold_out,reopened"],
                }
            ),
        ]
        | None,
        BLANK_IS_ABSENT,
    ] = None


class SnapshotQuery(Query):
    """Which part of the snapshot, or which events."""

    after: Annotated[
        Annotated[
            Uuid,
            WithJsonSchema(
                {
                    "type": "string",
                    "pattern": f"^(?:{ID}|)$",
                    "description": "The `next` of the last answer; absent for the first event",
                    "examples": ["0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"],
                }
            ),
        ]
        | None,
        BLANK_IS_ABSENT,
    ] = None
    limit: PageSize = LIMIT_MAX
    ids: Annotated[Ids | None, BLANK_IS_ABSENT] = None

    @field_validator("ids")
    @classmethod
    def _are_no_page(
        cls, ids: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if ids is not None and info.data.get("after") is not None:
            raise refusal("must not be given together with after")
        return ids
