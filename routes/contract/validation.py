"""Validates bodies and queries: a model where all is well, every bad field by name where it is not.

Rule: whoever is refused learns of all that is wrong at once, and of names that look like slips.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from routes.contract import answers
from routes.contract.errors import invalid
from routes.contract.fields import Body
from routes.contract.slips import UNKNOWN_MAX, slips

# Most bodies hold no array of others.
NO_ARRAYS: Mapping[str, type[Body]] = {}

M = TypeVar("M", bound=BaseModel)


# What answers show may come back in a body, and is no slip of anything.
_ANSWERED = frozenset(
    name
    for answer in vars(answers).values()
    if isinstance(answer, type) and issubclass(answer, msgspec.Struct)
    for name in answer.__struct_fields__
)


@cache
def _names(model: type[BaseModel]) -> frozenset[str]:
    """What a body or query of this model may hold; kept, since pydantic looks for it each time."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


def read_body(model: type[M], value: Any) -> M:
    """`value` as `model`. Raises ApiError 400 that names every bad field."""
    if not isinstance(value, dict):
        raise invalid(("body", "body must be a JSON object"))
    arrays = model.arrays if issubclass(model, Body) else NO_ARRAYS
    return _read("body", model, value, _ANSWERED, arrays)


def read_query(model: type[M], given: Mapping[str, str]) -> M:
    """The parameters as `model`. Raises ApiError 400 that names every bad one."""
    return _read("query", model, given, frozenset())


def _read(
    where: str,
    model: type[M],
    given: Mapping[str, Any],
    read_only: frozenset[str],
    arrays: Mapping[str, type[Body]] = NO_ARRAYS,
) -> M:
    known = _names(model)
    try:
        read = model.model_validate(given)
    except ValidationError as error:
        told = problems(where, error) + _slips(where, known, given, read_only)
        raise invalid(*told, *_slips_in_arrays(arrays, given)) from error
    # Most requests hold nothing unknown, and pay for no more than this look.
    if not known.issuperset(given) and (told := _slips(where, known, given, read_only)):
        raise invalid(*told)
    if arrays and (told := _slips_in_arrays(arrays, given)):
        raise invalid(*told)
    return read


def _slips(
    where: str, known: frozenset[str], given: Mapping[str, Any], read_only: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"{where}.{name}", f"{name} is not known; did you mean {meant}?")
        for name, meant in slips(given, sorted(known), read_only)
    )


def _slips_in_arrays(
    arrays: Mapping[str, type[Body]], given: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """The same in the bodies of arrays, until UNKNOWN_MAX names of them were looked at."""
    told: list[tuple[str, str]] = []
    looked_at = 0
    for name, model in arrays.items():
        known, items = _names(model), given.get(name)
        for place, item in enumerate(items if isinstance(items, list) else ()):
            if not isinstance(item, dict) or known.issuperset(item):
                continue
            told += _slips(f"body.{name}[{place}]", known, item, _ANSWERED)
            looked_at += len(item.keys() - known - _ANSWERED)
            if looked_at >= UNKNOWN_MAX:
                break
    return tuple(told)


def problems(where: str, error: ValidationError) -> tuple[tuple[str, str], ...]:
    """The (field, message) of every bad field of a body or query, which `where` names."""
    messages: dict[str, str] = {}
    for found in error.errors(include_url=False, include_context=True):
        path = [part for part in found["loc"] if not str(part).startswith("function-")]
        place, field = _place(path)
        messages.setdefault(f"{where}{place}", _message(field or where, found))
    return tuple(messages.items())


def _place(path: Sequence[str | int]) -> tuple[str, str]:
    """Where a field is, and its own name; in an array, the place of its body is part of it."""
    match path:
        case [str() as array, int() as place, str() as field, *_]:
            return f".{array}[{place}].{field}", field
        case [str() as array, int() as place]:
            return f".{array}[{place}]", f"{array}[{place}]"
        case [field, *_]:
            return f".{field}", str(field)
        case _:
            return "", ""


# What pydantic says of a strict field, in words that name what to send instead.
_MESSAGES = {
    "int_type": "must be a JSON integer",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "too_short": "must hold at least {min_length}",
    "too_long": "must hold at most {max_length}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must be at most {max_length} characters",
    "string_too_short": "must be at least {min_length} characters",
    "missing": "is required",
}


def _message(field: str, found: ErrorDetails) -> str:
    context = found.get("ctx", {})
    if found["type"] == "refused":
        # What is wrong with the whole names the fields that it is about.
        return f"{field} {context['message']}" if found["loc"] else str(context["message"])
    if found["type"] in _MESSAGES:
        return f"{field} {_MESSAGES[found['type']].format_map(context)}"
    return f"{field}: {found['msg']}"
