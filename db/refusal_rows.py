"""The columns of a refusal's row, and a row's values in that order.

Rule: a refusal is written with its kind, so that it is read back as the value it was.
"""

from typing import Any, TypeAlias

import msgspec

from db.row_types import RowType
from evently.domain.commits import Batch
from evently.domain.outcomes import FINAL, FinalRefusal

REFUSAL_ROW = RowType(
    "refusal_row_1",
    {
        "event_id": "uuid",
        "request_key": "text",
        "caller": "text",
        "request": "text",
        "refusal": "jsonb",
    },
)

RefusalRow: TypeAlias = tuple[str, str, str, str, str | None]

_KINDS: dict[str, type[FinalRefusal]] = {kind.__name__: kind for kind in FINAL}


def refusal_rows(batch: Batch) -> list[RefusalRow]:
    """The values of a row for each refusal; the last is None where none is kept."""
    return [
        (
            batch.event_id,
            one.key,
            one.origin.caller,
            one.request,
            _text(one.refusal) if one.final else None,
        )
        for one in batch.refused
    ]


def refusal_in(text: str) -> FinalRefusal:
    """The refusal that a row holds."""
    fields = msgspec.json.decode(text)
    kind = _KINDS[fields.pop("kind")]
    return msgspec.convert(fields, kind)


def _text(refusal: Any) -> str:
    fields = {"kind": type(refusal).__name__, **msgspec.to_builtins(refusal)}
    return msgspec.json.encode(fields).decode()
