"""Bodies that are not JSON, not an object, of another type, or whose numbers are wrong."""

from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tests.acceptance.attacks.requests import (
    A_MOVE,
    BODY_BYTES_MAX,
    CREATE,
    INTERNAL,
    MOVE,
    RETURN,
    Attack,
    json_with,
    rows,
)


def text(length: int) -> str:
    return '"' + "x" * length + '"'


def nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


NO_JSON: dict[str, str | bytes] = {
    "empty": "",
    "a blank": " ",
    "an open bracket 60 000 times": "[" * 60_000,
    "an open brace 10 000 times": '{"a":' * 10_000,
    "NaN": json_with(A_MOVE, quantity="NaN"),
    "Infinity": json_with(A_MOVE, quantity="-Infinity"),
    "an integer of 5000 digits": json_with(A_MOVE, version="9" * 5000),
    "a key twice": '{"quantity":-1,"quantity":-1,"version":"*"}',
    "a key twice, once escaped": '{"quantity":-1,"quantit\\u0079":-1,"version":"*"}',
    "a key twice in what is ignored": json_with(A_MOVE, note='{"a":1,"a":2}'),
    "trailing garbage": json_with(A_MOVE) + "x",
    "two objects": json_with(A_MOVE) * 2,
    "a trailing comma": '{"quantity":-1,"version":"*",}',
    "single quotes": "{'quantity':-1,'version':'*'}",
    "a comment": "{/**/}",
    "UTF-16": json_with(A_MOVE).encode("utf-16"),
    "invalid UTF-8": b'{"quantity":-1,"version":"*","note":"\xff"}',
    "an overlong encoding": b'{"quantity":-1,"version":"*","note":"\xc0\xaf"}',
    "an encoded surrogate": b'{"quantity":-1,"version":"*","note":"\xed\xa0\x80"}',
    "a lone surrogate": json_with(A_MOVE, note='"\\ud800"'),
    "a lone surrogate as a key": json_with(A_MOVE)[:-1] + ',"\\udfff":1}',
    "a raw control character": json_with(A_MOVE, note='"a\x01b"'),
    "an unfinished escape": json_with(A_MOVE, note='"\\u12"'),
    "a form": "quantity=-1&version=*",
}


NO_OBJECT = {"null": "null", "5": "5", "text": '"x"', "a list": "[1]", "true": "true", "[]": "[]"}


BODIES = [
    *rows(replace(MOVE, says="Invalid JSON"), NO_JSON),
    *rows(
        replace(MOVE, says="byte order mark"),
        {"a byte order mark": BOM_UTF8 + json_with(A_MOVE).encode()},
    ),
    *rows(replace(MOVE, says="body must be a JSON object"), NO_OBJECT),
    *rows(
        replace(MOVE, says="NUL"),
        {"NUL in text": json_with(A_MOVE, note='"a\\u0000b"'), "NUL in a key": '{"\\u0000":1}'},
    ),
    replace(CREATE, name="no body at all", says="Invalid JSON"),
    replace(CREATE, name="no body and Content-Length 0", body=b"", says="Invalid JSON"),
    replace(
        MOVE,
        name="65 537 bytes",
        body=json_with(A_MOVE).encode().ljust(BODY_BYTES_MAX + 1),
        status=frozenset({413}),
        code="PAYLOAD_TOO_LARGE",
    ),
    replace(
        MOVE,
        name="a huge Content-Length, and silence",
        headers={**MOVE.headers, "Content-Length": "99999999999"},
        body=b"",
        status=frozenset({413}),
        code="PAYLOAD_TOO_LARGE",
    ),
    replace(
        MOVE,
        name="chunks over the bound",
        headers={**MOVE.headers, "Transfer-Encoding": "chunked"},
        body=(b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 5 + b"0\r\n\r\n",
        status=frozenset({413}),
        code="PAYLOAD_TOO_LARGE",
    ),
]


MEDIA_TYPES = [
    replace(
        MOVE,
        name=f"Content-Type: {media_type}",
        headers={**INTERNAL, "Content-Type": media_type},
        body=json_with(A_MOVE).encode(),
        status=frozenset({415}),
        code="UNSUPPORTED_MEDIA_TYPE",
    )
    for media_type in (
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/json, text/plain",
        "application/json; charset=punycode",
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=idna",
        "application/json; charset=unheard-of",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json-patch+json",
        "application/problem+json",
        "application/ json",
        "application/json; charset=" + "x" * 4000,
    )
]


GOOD_MEDIA_TYPES = [
    replace(
        MOVE,
        name=f"Content-Type: {media_type} is fine",
        headers={**INTERNAL, "Content-Type": media_type},
        body=json_with(A_MOVE, quantity="0").encode(),
        says="body.quantity",
    )
    for media_type in (
        "Application/JSON",
        "application/json;charset=UTF-8",
        'application/json ; charset="utf-8"',
        "application/json;  charset=utf-8",
        "application/json; version=1; charset=utf-8",
        "application/json;",
    )
]


ENCODINGS = [
    replace(
        MOVE,
        name=f"Content-Encoding: {encoding}",
        headers={**MOVE.headers, "Content-Encoding": encoding},
        body=json_with(A_MOVE).encode(),
        status=frozenset({415}),
        code="UNSUPPORTED_MEDIA_TYPE",
    )
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, identity", "unheard-of")
]


NO_TYPE = replace(
    MOVE,
    name="no Content-Type",
    headers=INTERNAL,
    body=json_with(A_MOVE).encode(),
    status=frozenset({415}),
    code="UNSUPPORTED_MEDIA_TYPE",
)


def moves(attack: Attack, name: str, raws: Iterable[str | None]) -> Iterable[Attack]:
    fields = A_MOVE if attack is MOVE else {**A_MOVE, "quantity": "1"}
    bodies = {f"{name} {raw}": json_with(fields, **{name: raw}) for raw in raws}
    return rows(replace(attack, says=f"body.{name}"), bodies)


NO_INTEGER = ("true", "1.0", "1e0", '"2"', "null", "[1]", "{}", '""', None)


INT32, INT64 = 2**31, 2**63


NUMBERS = [
    *moves(MOVE, "quantity", NO_INTEGER),
    *moves(MOVE, "quantity", map(str, (0, -INT32, INT32, INT64, -INT64, 2 * INT64))),
    *moves(MOVE, "quantity", ("-0", "-1E0", "-10e-1", "-1." + "0" * 4000, "9" * 4000)),
    *rows(
        replace(MOVE, says="Invalid JSON"),
        {
            f"quantity {raw}": json_with(A_MOVE, quantity=raw)
            for raw in ("01", "-01", "+1", "1.", ".5", "0x1", "1_0", "1e", "--1", "1e9" * 9)
        },
    ),
    *moves(RETURN, "quantity", (*NO_INTEGER, "0", "-1", str(INT32))),
    *moves(MOVE, "version", (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"**"', '" *"')),
    *moves(RETURN, "version", ("0", '"42"', None)),
    *moves(MOVE, "on_conflict", ("null", "true", '"RETRY"', '"ignore"', "1")),
]


def fields(
    attack: Attack, fields: Mapping[str, str], name: str, raws: Iterable[str | None]
) -> Iterable[Attack]:
    bodies = {f"{name} {str(raw)[:40]}": json_with(fields, **{name: raw}) for raw in raws}
    return rows(replace(attack, says=f"body.{name}"), bodies)
