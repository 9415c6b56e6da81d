"""Texts that clients send: names, places, phone numbers, what is searched for.

Rules:
1. Text is in Unicode's form NFC before anything else is looked at, and trimmed.
2. What is shown in one line is one line, and has something to see: a name of nothing but invisible
   characters could not be told from any other.
3. An optional text that is empty is not there.
"""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from evently.domain.holdbacks import HOLDBACK_NAME_MAX
from evently.domain.text import normalized
from routes.contract.refusal import refusal, required

# Letters, marks and symbols that show nothing: fillers of Hangul, and the empty Braille pattern.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Control and format characters, separators, and marks, which need something to stand on.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp", "Mn", "Mc", "Me"})
_NOT_ONE_LINE = frozenset({"Cc", "Zl", "Zp"})

PHONE_MAX = 40
# E.164 has 15 digits at most; four are the shortest that a company's own exchange has.
PHONE_DIGITS_MIN, PHONE_DIGITS_MAX = 4, 15
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_SPACES = " \u00a0\u2009\u202f"
# A number as people write it, and an extension.
_PHONE = re.compile(
    rf"(?P<number>[(\[]?\+?[0-9{_SPACES}()\[\]./\-{_DASHES}]+?)"
    rf"(?:[{_SPACES},;]*(?:extension|ext\.?|x|#)[{_SPACES}.:]*[0-9]{{1,8}})?",
    re.ASCII | re.IGNORECASE,
)


def _normalized(given: Any) -> Any:
    return normalized(given) if isinstance(given, str) else given


def _none_if_blank(given: Any) -> Any:
    return None if isinstance(given, str) and not given.strip() else given


def _not_empty(text: str) -> str:
    if not text:
        raise required()
    return text


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    kinds = [unicodedata.category(character) for character in text]
    if not _NOT_ONE_LINE.isdisjoint(kinds):
        raise refusal("must be one line without control characters")
    if all(kind in _UNSEEN or c in _BLANK for kind, c in zip(kinds, text, strict=True)):
        raise refusal("must have at least one visible character")
    return text


def _phone(text: str) -> str:
    found = _PHONE.fullmatch(text)
    digits = sum(map(str.isdigit, found["number"])) if found else 0
    if not PHONE_DIGITS_MIN <= digits <= PHONE_DIGITS_MAX:
        bounds = f"{PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits"
        raise refusal(f"must be a phone number of {bounds}, like +1 415 555 0100")
    return text


def _storable(text: str) -> str:
    if "\0" in text:
        raise refusal("must not contain a NUL character")
    return text


def _bounded(at_most: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, max_length=at_most)


def _line_or_none(at_most: int) -> WithJsonSchema:
    """A schema that, unlike `maxLength`, bounds the trimmed text: a blank may be of any length."""
    line = rf"{_EDGE}(?:{_INSIDE}{{0,{at_most - 2}}}{_EDGE})?"
    return WithJsonSchema({"type": "string", "pattern": rf"^\s*(?:{line}\s*)?$"})


NFC = BeforeValidator(_normalized)
# Beside the type of an optional field.
BLANK_IS_ABSENT = BeforeValidator(_none_if_blank)

_ONE_LINE = AfterValidator(_one_line)
# Text is required after it was trimmed, so that a blank is no text either.
_REQUIRED = AfterValidator(_not_empty)
# In patterns: what no line has inside, and a line that begins and ends with something else.
_BREAKS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_EDGE, _INSIDE = rf"[^\s{_BREAKS}]", rf"[^{_BREAKS}]"
_SOME = Field(
    json_schema_extra={"minLength": 1, "pattern": rf"^\s*{_EDGE}(?:{_INSIDE}*{_EDGE})?\s*$"}
)


Name = Annotated[str, NFC, _bounded(200), _REQUIRED, _ONE_LINE, _SOME]
Address = Annotated[str, NFC, _bounded(500), _REQUIRED, _ONE_LINE, _SOME]
Place = Annotated[str, NFC, _bounded(100), _REQUIRED, _ONE_LINE, _SOME]
HoldbackName = Annotated[str, NFC, _bounded(HOLDBACK_NAME_MAX), _REQUIRED, _ONE_LINE, _SOME]
EventType = Annotated[str, NFC, _bounded(50), _REQUIRED, _ONE_LINE, _SOME]
OptionalPlace = Annotated[
    Annotated[str, NFC, _bounded(100), _ONE_LINE, _line_or_none(100)] | None, BLANK_IS_ABSENT
]
OptionalPostal = Annotated[
    Annotated[str, NFC, _bounded(20), _ONE_LINE, _line_or_none(20)] | None, BLANK_IS_ABSENT
]
OptionalReference = Annotated[
    Annotated[str, NFC, _bounded(255), _ONE_LINE, _line_or_none(255)] | None, BLANK_IS_ABSENT
]
OptionalPhone = Annotated[
    Annotated[
        str,
        NFC,
        _bounded(PHONE_MAX),
        AfterValidator(_phone),
        WithJsonSchema(
            {
                "type": "string",
                # What is less is refused; not all that is refused can be said in a pattern.
                "pattern": rf"^\s*$|(?:[0-9].*){{{PHONE_DIGITS_MIN}}}",
                "description": f"{PHONE_DIGITS_MIN} to {PHONE_DIGITS_MAX} digits, and perhaps an"
                f" extension; {PHONE_MAX} characters at most, kept as they are written",
                "examples": ["+1 415 555 0100"],
            }
        ),
    ]
    | None,
    BLANK_IS_ABSENT,
]
Description = Annotated[str, NFC, _bounded(10_000)]
# What lists are filtered by; any text may be asked for.
OptionalFilter = Annotated[
    Annotated[str, NFC, _bounded(200), AfterValidator(_storable)] | None, BLANK_IS_ABSENT
]
OptionalReferenceFilter = Annotated[
    Annotated[str, NFC, _bounded(255), AfterValidator(_storable)] | None, BLANK_IS_ABSENT
]
