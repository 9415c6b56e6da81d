"""Makes typed values of JSON bodies, by the annotations of the dataclasses in `answers`.

Rule: nothing is guessed. A field that is missing or of another type is an error, unless it has a
default; a field that is not known is ignored, so that a newer service can be read. Prices stay
exact: they never pass through binary floating point.
"""

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Any, TypeAlias, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
Reader: TypeAlias = Callable[[Any], Any]

_DECODER = json.JSONDecoder(parse_float=Decimal)


def decoded(raw: bytes) -> Any:
    """A body as JSON, or None."""
    try:
        return _DECODER.decode(raw.decode())
    except (ValueError, RecursionError):
        return None


def read(shape: type[T], body: Any, **known: Any) -> T:
    """`body` as a `shape`, with the fields in `known` from elsewhere.

    Raises KeyError, TypeError or ValueError for what is missing or does not fit.
    """
    values = dict(known)
    kind: Any = shape
    for name, reader, required in _plan(kind):
        if name not in known and (required or name in body):
            values[name] = reader(body[name])
    return shape(**values)


@functools.cache
def _plan(shape: Any) -> tuple[tuple[str, Reader, bool], ...]:
    hints = get_type_hints(shape)
    return tuple(
        (
            field.name,
            _reader(hints[field.name]),
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(shape)
    )


def _reader(kind: Any) -> Reader:
    if kind in _READERS:
        return _READERS[kind]
    if isinstance(kind, type) and is_dataclass(kind):
        return functools.partial(_nested, kind)
    if get_origin(kind) is tuple:
        item = _reader(get_args(kind)[0])
        return lambda given: tuple(item(one) for one in _list(given))
    if get_origin(kind) is UnionType:
        (inner,) = (_reader(part) for part in get_args(kind) if part is not type(None))
        return lambda given: None if given is None else inner(given)
    assert get_origin(kind) is Mapping, f"no reader for {kind}"
    return _mapping


def _nested(shape: type[Any], given: Any) -> Any:
    return read(shape, _mapping(given))


def _exactly(kind: type[T]) -> Callable[[Any], T]:
    def checked(given: Any) -> T:
        if type(given) is not kind:
            raise TypeError(f"not {kind.__name__}: {given!r}")
        return given

    return checked


_text, _whole, _list = _exactly(str), _exactly(int), _exactly(list)


def _mapping(given: Any) -> Mapping[str, Any]:
    return _exactly(dict)(given)


def _number(given: Any) -> Decimal:
    if type(given) is not Decimal and type(given) is not int:
        raise TypeError(f"not a number: {given!r}")
    return Decimal(given)


def _instant(given: Any) -> datetime:
    # Python 3.10 does not read the Z.
    at = datetime.fromisoformat(_text(given).replace("Z", "+00:00"))
    if at.tzinfo is None:
        raise ValueError(f"not a time with an offset: {given!r}")
    return at


_READERS: dict[Any, Reader] = {
    str: _text,
    int: _whole,
    bool: _exactly(bool),
    Decimal: _number,
    datetime: _instant,
    date: lambda given: date.fromisoformat(_text(given)),
}
