"""Several events that a request names in its query.

Rule: one id that is none refuses the request, since to leave it out would look as if that event
were not there.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from routes.contract.fields import canonical_uuid
from routes.contract.refusal import refusal

# As many as a page of a list has at most; together they stay well within a request line.
IDS_MAX = 100
# A UUID as a regular expression.
ID = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


def _ids(text: Any) -> tuple[str, ...]:
    given = text.split(",")
    found = [one for one in map(canonical_uuid, given) if one is not None]
    if len(found) < len(given):
        raise refusal("must be UUIDs of 36 characters between commas")
    if len(given) > IDS_MAX:
        raise refusal(f"must be {IDS_MAX} UUIDs at most")
    return tuple(dict.fromkeys(found))


Ids = Annotated[
    tuple[str, ...],
    BeforeValidator(_ids, json_schema_input_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^(?:{ID}(?:,{ID}){{0,{IDS_MAX - 1}}}|)$",
            "description": f"These events only: {IDS_MAX} ids at most, between commas",
            "examples": ["0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"],
        }
    ),
]
