"""Bad requests, and what each gets: data, which `test_attacks.py` plays against a real service.

Rule: a row is one request as it goes over the wire, and what answers it; adding an attack is
adding a row. In paths, headers and bodies stand names of what the play has at hand:

`{event_id}` `{venue_id}` `{version}`: a published event with two seats sold, its venue of 100;
`{other_id}`: another admin's event; `{draft_id}`: a draft; `{internal_key}`: a key that is good;
`{token}`: a good access token, `{refresh_token}`: a good refresh token, and what `forged` makes of
the access token: `{unsigned}`, `{hs512}` and so on.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

BODY_BYTES_MAX = 64 * 1024
DRAFT, NIL = "{draft_id}", "00000000-0000-0000-0000-000000000000"

JSON = {"Content-Type": "application/json"}
ADMIN = {"Authorization": "Bearer {token}"}
INTERNAL = {"X-API-Key": "{internal_key}"}

VALIDATION, UNAUTHORIZED = "VALIDATION_ERROR", "UNAUTHORIZED"


@dataclass(frozen=True, slots=True)
class Attack:
    """One bad request (`path` and `body` with names in them), and its answer.

    `says` is found in the answer's body: the field at fault, or a part of the message. Where
    `code` is None the answer need not be an error; where it is empty, any error will do. `again`
    are headers that stand there once more. Where `envelope` is False the request may be refused by
    the HTTP parser, before anything of the service's own sees it.
    """

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    again: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: frozenset[int] = frozenset({400})
    code: str | None = VALIDATION
    says: str = ""
    envelope: bool = True


def _rows(attack: Attack, bodies: Mapping[str, str | bytes]) -> Iterable[Attack]:
    """`attack` with each of the bodies, by what is wrong with it."""
    for name, body in bodies.items():
        raw = body if isinstance(body, bytes) else body.encode()
        yield replace(attack, name=f"{attack.name}: {name}", body=raw)


def _with(fields: Mapping[str, str], **changed: str | None) -> str:
    """A JSON object of raw JSON values, some of them changed, or left out where None."""
    found = {**fields, **changed}
    return "{" + ",".join(f'"{name}":{raw}' for name, raw in found.items() if raw is not None) + "}"


MOVE = Attack(
    "seat move", "POST", "/internal/events/{event_id}/update-availability", {**INTERNAL, **JSON}
)
RETURN = replace(MOVE, name="return", path="/internal/events/{event_id}/return-seats")
CREATE = Attack("new event", "POST", "/api/v1/admin/events", {**ADMIN, **JSON})
CHANGE = Attack("change", "PUT", "/api/v1/admin/events/{event_id}", {**ADMIN, **JSON})
CANCEL = Attack("cancel", "DELETE", "/api/v1/admin/events/{event_id}", {**ADMIN, **JSON})
NEW_VENUE = Attack("new venue", "POST", "/api/v1/admin/venues", {**ADMIN, **JSON})
REGISTER = Attack("register", "POST", "/api/v1/auth/admin/register", JSON)
LOGIN = Attack("login", "POST", "/api/v1/auth/admin/login", JSON)
REFRESH = Attack("refresh", "POST", "/api/v1/auth/admin/refresh", JSON)
LIST = Attack("list", "GET", "/api/v1/events")
OWN = Attack("own events", "GET", "/api/v1/admin/events", ADMIN)
VENUES = Attack("venues", "GET", "/api/v1/admin/venues", ADMIN)

A_MOVE = {"quantity": "-1", "version": '"*"'}
AN_EVENT = {
    "name": '"Aida"',
    "description": '""',
    "venue_id": '"{venue_id}"',
    "event_type": '"opera"',
    "start_datetime": '"2040-06-01T20:00:00Z"',
    "end_datetime": '"2040-06-01T23:00:00Z"',
    "total_capacity": "10",
    "base_price": "25.5",
}
A_VENUE = {
    "name": '"Arena"',
    "address": '"Piazza Bra 1"',
    "city": '"Verona"',
    "country": '"IT"',
    "capacity": "10",
}
AN_ADMIN = {"email": '"ada@attacks.example"', "password": '"correct horse"', "name": '"Ada"'}


def _text(length: int) -> str:
    return '"' + "x" * length + '"'


def _nested(levels: int) -> str:
    return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)


NO_JSON: dict[str, str | bytes] = {
    "empty": "",
    "a blank": " ",
    "an open bracket 60 000 times": "[" * 60_000,
    "an open brace 10 000 times": '{"a":' * 10_000,
    "NaN": _with(A_MOVE, quantity="NaN"),
    "Infinity": _with(A_MOVE, quantity="-Infinity"),
    "an integer of 5000 digits": _with(A_MOVE, version="9" * 5000),
    "a key twice": '{"quantity":-1,"quantity":-1,"version":"*"}',
    "a key twice, once escaped": '{"quantity":-1,"quantit\\u0079":-1,"version":"*"}',
    "a key twice in what is ignored": _with(A_MOVE, note='{"a":1,"a":2}'),
    "trailing garbage": _with(A_MOVE) + "x",
    "two objects": _with(A_MOVE) * 2,
    "a trailing comma": '{"quantity":-1,"version":"*",}',
    "single quotes": "{'quantity':-1,'version':'*'}",
    "a comment": "{/**/}",
    "a byte order mark": b"\xef\xbb\xbf" + _with(A_MOVE).encode(),
    "UTF-16": _with(A_MOVE).encode("utf-16"),
    "invalid UTF-8": b'{"quantity":-1,"version":"*","note":"\xff"}',
    "an overlong encoding": b'{"quantity":-1,"version":"*","note":"\xc0\xaf"}',
    "an encoded surrogate": b'{"quantity":-1,"version":"*","note":"\xed\xa0\x80"}',
    "a lone surrogate": _with(A_MOVE, note='"\\ud800"'),
    "a lone surrogate as a key": _with(A_MOVE)[:-1] + ',"\\udfff":1}',
    "a raw control character": _with(A_MOVE, note='"a\x01b"'),
    "an unfinished escape": _with(A_MOVE, note='"\\u12"'),
    "a form": "quantity=-1&version=*",
}
NO_OBJECT = {"null": "null", "5": "5", "text": '"x"', "a list": "[1]", "true": "true", "[]": "[]"}

BODIES = [
    *_rows(replace(MOVE, says="Invalid JSON"), NO_JSON),
    *_rows(replace(MOVE, says="body must be a JSON object"), NO_OBJECT),
    *_rows(
        replace(MOVE, says="NUL"),
        {"NUL in text": _with(A_MOVE, note='"a\\u0000b"'), "NUL in a key": '{"\\u0000":1}'},
    ),
    replace(CREATE, name="no body at all", says="Invalid JSON"),
    replace(CREATE, name="no body and Content-Length 0", body=b"", says="Invalid JSON"),
    replace(
        MOVE,
        name="65 537 bytes",
        body=_with(A_MOVE).encode().ljust(BODY_BYTES_MAX + 1),
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
        body=_with(A_MOVE).encode(),
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
        body=_with(A_MOVE, quantity="0").encode(),
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
        body=_with(A_MOVE).encode(),
        status=frozenset({415}),
        code="UNSUPPORTED_MEDIA_TYPE",
    )
    for encoding in ("gzip", "deflate", "br", "zstd", "gzip, identity", "unheard-of")
]
NO_TYPE = replace(
    MOVE,
    name="no Content-Type",
    headers=INTERNAL,
    body=_with(A_MOVE).encode(),
    status=frozenset({415}),
    code="UNSUPPORTED_MEDIA_TYPE",
)


def _moves(attack: Attack, name: str, raws: Iterable[str | None]) -> Iterable[Attack]:
    fields = A_MOVE if attack is MOVE else {**A_MOVE, "quantity": "1"}
    bodies = {f"{name} {raw}": _with(fields, **{name: raw}) for raw in raws}
    return _rows(replace(attack, says=f"body.{name}"), bodies)


NO_INTEGER = ("true", "1.0", "1e0", '"2"', "null", "[1]", "{}", '""', None)
INT32, INT64 = 2**31, 2**63
NUMBERS = [
    *_moves(MOVE, "quantity", NO_INTEGER),
    *_moves(MOVE, "quantity", map(str, (0, -INT32, INT32, INT64, -INT64, 2 * INT64))),
    *_moves(MOVE, "quantity", ("-0", "-1E0", "-10e-1", "-1." + "0" * 4000, "9" * 4000)),
    *_rows(
        replace(MOVE, says="Invalid JSON"),
        {
            f"quantity {raw}": _with(A_MOVE, quantity=raw)
            for raw in ("01", "-01", "+1", "1.", ".5", "0x1", "1_0", "1e", "--1", "1e9" * 9)
        },
    ),
    *_moves(RETURN, "quantity", (*NO_INTEGER, "0", "-1", str(INT32))),
    *_moves(MOVE, "version", (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"**"', '" *"')),
    *_moves(RETURN, "version", ("0", '"42"', None)),
    *_moves(MOVE, "on_conflict", ("null", "true", '"RETRY"', '"ignore"', "1")),
]


def _fields(
    attack: Attack, fields: Mapping[str, str], name: str, raws: Iterable[str | None]
) -> Iterable[Attack]:
    bodies = {f"{name} {str(raw)[:40]}": _with(fields, **{name: raw}) for raw in raws}
    return _rows(replace(attack, says=f"body.{name}"), bodies)


A_CHANGE = {"version": "{version}"}
NO_PRICE = (
    *("19.999", "-0.01", "-1", "1e12", "10000000000", "1e-3", "1e400", "1e-400"),
    *('"25.5"', "true", "null", "[]", f"0.{'0' * 60_000}1", f"25.5{'0' * 60_000}1"),
    *("1e999999999", "1e-999999999", "-1e-999999999", "1" + "0" * 4000),
)
NO_CAPACITY = ("0", "-1", str(INT32), "1.0", '"10"', "true", "null")
NO_NAME = ('""', '" "', '"\\t\\n"', "null", "5", "true", '["x"]', _text(201))
EVENT_FIELDS = [
    *_fields(CREATE, AN_EVENT, "base_price", (*NO_PRICE, None)),
    *_rows(replace(CREATE, says="Invalid JSON"), {"price NaN": _with(AN_EVENT, base_price="NaN")}),
    *_fields(CREATE, AN_EVENT, "total_capacity", (*NO_CAPACITY, None, "101")),
    *_fields(CREATE, AN_EVENT, "max_tickets_per_booking", NO_CAPACITY),
    *_fields(CREATE, AN_EVENT, "name", (*NO_NAME, None)),
    *_fields(CREATE, AN_EVENT, "event_type", ('""', "null", _text(51), None)),
    *_fields(CREATE, AN_EVENT, "description", ("null", "5", _text(10_001))),
    *_fields(CREATE, AN_EVENT, "venue_id", ("null", "5", '"x"', f'"{NIL}"', None)),
    *_fields(CHANGE, A_CHANGE, "base_price", NO_PRICE),
    *_fields(CHANGE, A_CHANGE, "total_capacity", (*NO_CAPACITY, "101")),
    *_fields(CHANGE, A_CHANGE, "name", NO_NAME),
    *_fields(CHANGE, A_CHANGE, "status", ('"PUBLISHED"', '"open"', "null", "1", "true")),
    *_fields(CHANGE, A_CHANGE, "available_seats", ("1", "null", "100")),
    *_fields(
        CHANGE,
        {"name": '"Tosca"'},
        "version",
        (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"*"'),
    ),
    replace(CHANGE, name="nothing to change", body=_with(A_CHANGE).encode(), says="change"),
    replace(
        CHANGE,
        name="only fields that are read",
        body=_with(A_CHANGE, event_id=f'"{NIL}"', created_by='"me"', updated_at='"now"').encode(),
        says="change",
    ),
    replace(
        CHANGE,
        name="capacity under what is sold",
        body=_with(A_CHANGE, total_capacity="1").encode(),
        status=frozenset({409}),
        code="CAPACITY_BELOW_SOLD",
    ),
    *_fields(CANCEL, {}, "version", (*NO_INTEGER, "0", "-1", str(INT64), '"42"', '"*"')),
    replace(CANCEL, name="cancel, and no version", headers=ADMIN, says="version is required"),
    *(
        replace(
            CANCEL,
            name=f"cancel ?version={text}",
            path=f"{CANCEL.path}?version={text}",
            headers=ADMIN,
            says="query.version",
        )
        for text in ("", "0", "-1", "1.0", "x", "%2B1", "01", "9" * 20, str(INT64), "1&version=1")
    ),
]

NO_TIME = (
    *('"2040-06-01T20:00:00"', '"2040-06-01"', '"2040-W22-5T20:00:00Z"', '"2040-153T20:00:00Z"'),
    *('"2040-06-01T20:00:00+25:00"', '"2040-06-01T20:00:00+02"', '"2040-06-01T20:00:00+0200"'),
    *('"2040-02-30T20:00:00Z"', '"2040-13-01T20:00:00Z"', '"2040-06-01T24:00:01Z"'),
    *('"0001-01-01T00:00:00+01:00"', '"9999-12-31T23:59:59-01:00"', '"2040-06-01T20:00Z"'),
    *('"20400601T200000Z"', '" 2040-06-01T20:00:00Z"', '"２０４０-06-01T20:00:00Z"'),
    *('"+02040-06-01T20:00:00Z"', '"tomorrow"', '""', "2222222222", "null", "true"),
)
TIMES = [
    *_fields(CREATE, AN_EVENT, "start_datetime", (*NO_TIME, None, '"2020-06-01T20:00:00Z"')),
    *_fields(CREATE, AN_EVENT, "end_datetime", (*NO_TIME, None)),
    *_fields(CHANGE, A_CHANGE, "start_datetime", (*NO_TIME, '"2020-06-01T20:00:00Z"')),
    *_rows(
        replace(CREATE, says="end_datetime must be after"),
        {
            "the end before the start": _with(AN_EVENT, end_datetime='"2040-06-01T19:59:59Z"'),
            "the end at the start": _with(AN_EVENT, end_datetime='"2040-06-01T20:00:00Z"'),
            "the end before the start, by its offset": _with(
                AN_EVENT, end_datetime='"2040-06-01T21:00:00+05:00"'
            ),
        },
    ),
    *_rows(
        replace(CHANGE, says="end_datetime"),
        {
            "the end before what is the start": _with(
                A_CHANGE, end_datetime='"2020-01-01T00:00:00Z"'
            )
        },
    ),
]

VENUE_FIELDS = [
    *_fields(NEW_VENUE, A_VENUE, "name", (*NO_NAME, None)),
    *_fields(NEW_VENUE, A_VENUE, "address", ('""', "null", _text(501), None)),
    *_fields(NEW_VENUE, A_VENUE, "city", ('""', "null", _text(101), None)),
    *_fields(NEW_VENUE, A_VENUE, "state", ('""', "5", _text(101))),
    *_fields(NEW_VENUE, A_VENUE, "postal_code", ('""', "5", _text(21))),
    *_fields(NEW_VENUE, A_VENUE, "capacity", (*NO_CAPACITY, None)),
    *_fields(
        NEW_VENUE,
        A_VENUE,
        "layout_config",
        (
            *("[]", "5", '"x"', "true", '{"a":1e309}', '{"a":-1e400}', '{"a":1e999999999}'),
            *(f'{{"{"k" * 16 * 1024}":1}}', f'{{"{"é" * 8 * 1024}":1}}'),
            *(_nested(21), '{"a":' + "[" * 20 + "]" * 20 + "}", f'{{"a":{_text(16 * 1024)}}}'),
        ),
    ),
    *_rows(
        replace(NEW_VENUE, says="Invalid JSON"),
        {"layout NaN": _with(A_VENUE, layout_config='{"a":NaN}')},
    ),
]

NO_PAGE = (
    *("", "0", "-1", "+1", "%2B1", "1.0", "1e3", "0x10", "1_000", "01", "%20", "%201", "1%20"),
    *("%EF%BC%91", "%D9%A1", "9" * 20, "9" * 5000, "null", "true", "1;2", "%00", "NaN"),
)
NO_DATE = (
    *("", "2040-13-01", "2040-02-30", "2040-1-1", "tomorrow", "0000-00-00", "9999-12-31"),
    *("2040-06-01T20:00:00", "%EF%BC%92040-06-01", "2040-06-01T20:00:00%2B25:00"),
    "0001-01-01T00:00:00%2B01:00",
)


def _queries(attack: Attack, name: str, texts: Iterable[str]) -> Iterable[Attack]:
    for text in texts:
        yield replace(
            attack,
            name=f"{attack.name} ?{name}={text[:40]} ({len(text)})",
            path=f"{attack.path}?{name}={text}",
            says=f"query.{name}",
        )


def _fine(attack: Attack, name: str, texts: Iterable[str]) -> Iterable[Attack]:
    """Texts that are nothing but text: an empty list, or what is found."""
    for text in texts:
        yield replace(
            attack,
            name=f"{attack.name} ?{name}={text[:40]} is text",
            path=f"{attack.path}?{name}={text}",
            status=frozenset({200}),
            code=None,
        )


ODD_TEXT = (
    *("%25", "_", "%5C", "%27", "%22", "%27%20OR%201=1--", "%3Bdrop%20table%20events", "%24%24"),
    *("%3Cscript%3E", "%F0%9F%8E%AD", "a%0Ab", "%7B%7D", "..%2F..%2Fetc%2Fpasswd"),
)
QUERIES = [
    *_queries(LIST, "page", NO_PAGE),
    *_queries(LIST, "limit", NO_PAGE),
    *_queries(OWN, "page", NO_PAGE),
    *_queries(VENUES, "limit", NO_PAGE),
    *_queries(LIST, "date_from", NO_DATE),
    *_queries(LIST, "date_to", NO_DATE),
    *_queries(LIST, "city", ("x" * 201, "x" * 7000, "a%00b")),
    *_queries(VENUES, "search", ("x" * 201, "x" * 7000, "a%00b")),
    *_queries(OWN, "status", ("PUBLISHED", "open", "", "published,draft")),
    *(
        replace(LIST, name=f"twice ?{query}", path=f"{LIST.path}?{query}", says=f"query.{name}")
        for name, query in (
            ("page", "page=1&page=1"),
            ("limit", "limit=1&limit=2"),
            ("city", "city=a&page=1&city=b"),
            ("page", "page=1&%70age=2"),
        )
    ),
    replace(
        LIST,
        name="a range that ends before it starts",
        path=f"{LIST.path}?date_from=2040-06-02&date_to=2040-06-01",
        says="date_from must not be after",
    ),
    replace(
        LIST,
        name="two types",
        path=f"{LIST.path}?type=opera&event_type=rock",
        says="must not differ",
    ),
    replace(LIST, name="10 KB of search", path=f"{LIST.path}?city={'x' * 10_240}", envelope=False),
    *_fine(LIST, "city", ODD_TEXT),
    *_fine(LIST, "type", ODD_TEXT),
    *_fine(VENUES, "search", ODD_TEXT),
    *_fine(VENUES, "city", ODD_TEXT),
    *_fine(LIST, "city", ("%ff", "%ed%a0%80", "%zz", "%", "%e2%84%aa", "%C4%B0", "%EF%BF%BF")),
    *_fine(VENUES, "search", ("%ff", "%ed%a0%80", "%zz", "%EF%BF%BF", "%C3%9F")),
    *_fine(LIST, "date_from", ("2040-01-01T00:00:00+02:00", "2040-01-01T00:00:00%2B02:00")),
    *_fine(LIST, "limit", ("100", "101", "999999999")),
    *_fine(LIST, "page", ("999999999",)),
    *_fine(LIST, "unknown", ("1", "", "%00")),
]

ID = "0b9c1c0e-6f0a-4d0b-9f43-0c6a2f3c5d11"
NO_ID = (
    *("x" * 7000, f"{ID}{ID}"),
    *(f"{{{ID}}}", f"%7B{ID}%7D", f"urn:uuid:{ID}", ID.replace("-", ""), ID[:-1], f"{ID}0"),
    *("x", "1", "null", "-1", f"{ID}%20", f"%20{ID}", ID.replace("0", "g"), f"{ID}%0A"),
    *(ID.replace("-", "_"), "%EF%BC%90" + ID[1:], "*", "%27%20OR%201=1--"),
)
AROUND_IDS: tuple[Attack, ...] = (
    Attack("public event", "GET", "/api/v1/events/{id}"),
    Attack("availability", "GET", "/api/v1/events/{id}/availability"),
    Attack("internal event", "GET", "/internal/events/{id}", INTERNAL),
    Attack("admin event", "GET", "/api/v1/admin/events/{id}", ADMIN),
    Attack("analytics", "GET", "/api/v1/admin/events/{id}/analytics", ADMIN),
    Attack("history", "GET", "/api/v1/admin/events/{id}/history", ADMIN),
    replace(CHANGE, path="/api/v1/admin/events/{id}", body=_with(A_CHANGE, name='"X"').encode()),
    replace(CANCEL, path="/api/v1/admin/events/{id}", body=_with(A_CHANGE).encode()),
    replace(MOVE, path="/internal/events/{id}/update-availability", body=_with(A_MOVE).encode()),
    replace(
        RETURN,
        path="/internal/events/{id}/return-seats",
        body=_with(A_MOVE, quantity="1").encode(),
    ),
)
AROUND_VENUE_IDS: tuple[Attack, ...] = (
    Attack("venue", "GET", "/api/v1/admin/venues/{id}", ADMIN),
    Attack(
        "venue change",
        "PUT",
        "/api/v1/admin/venues/{id}",
        {**ADMIN, **JSON},
        body=b'{"city":"Roma"}',
    ),
    Attack("venue deletion", "DELETE", "/api/v1/admin/venues/{id}", ADMIN),
)


def _at(attack: Attack, text: str) -> Attack:
    path = attack.path.replace("{id}", text)
    return replace(attack, name=f"{attack.name} of {text[:50]}", path=path)


ODD_PATHS = (
    *("/api/v1/events/..", "/api/v1/events/%2e%2e", "/api/v1/events/%2F", "/api/v1/events/%00"),
    *("/api/v1/events/a%2Fb", f"/api/v1/events/{ID}%00", "/api/v1/events/..%2f..%2fhealthz"),
    "/api/v1/events/../../../healthz",
)
NO_PATHS = (
    *("/", "//", "/api", "/api/v1", "/api/v1/", "/api/v1/events/", "//api/v1/events"),
    *("/api//v1/events", f"/api/v1/events/{ID}/", f"/api/v1/events/{ID}//availability"),
    *("/healthz/", "/HEALTHZ", "/api/v1/Events", "/docs/", "/docs/../docs", "/docs/%2e%2e/x"),
    *("/docs/oauth2-redirect.html", "/docs/swagger-ui.css.map", "/api/v1/events;x=1", "/*"),
    *(f"/internal/events/{ID}/", "/internal/events", "/.env", "/favicon.ico", "/%68ealthz"),
)
IDS = [
    *(_at(attack, text) for attack in AROUND_IDS for text in NO_ID),
    *(_at(attack, text) for attack in AROUND_VENUE_IDS for text in NO_ID),
    *(
        replace(_at(attack, NIL), status=frozenset({404}), code="EVENT_NOT_FOUND")
        for attack in AROUND_IDS
    ),
    *(
        replace(_at(attack, NIL), status=frozenset({404}), code="VENUE_NOT_FOUND")
        for attack in AROUND_VENUE_IDS
    ),
    *(
        replace(_at(attack, DRAFT), status=frozenset({404}), code="EVENT_NOT_FOUND")
        for attack in AROUND_IDS
        if "/admin/" not in attack.path
    ),
    *(
        Attack(f"path {path}", "GET", path, status=frozenset({400, 404}), code="")
        for path in ODD_PATHS
    ),
    *(
        Attack(f"path {path}", "GET", path, status=frozenset({404}), code="NOT_FOUND")
        for path in NO_PATHS
    ),
]

METHODS = [
    Attack(f"{method} {path}", method, path, status=frozenset({405}), code="METHOD_NOT_ALLOWED")
    for method, path in (
        ("POST", "/healthz"),
        ("PATCH", "/api/v1/admin/events/{event_id}"),
        ("DELETE", "/api/v1/events/{event_id}"),
        ("PUT", "/api/v1/events"),
        ("GET", "/internal/events/{event_id}/update-availability"),
        ("GET", "/api/v1/auth/admin/login"),
        ("TRACE", "/healthz"),
    )
] + [
    Attack(
        f"OPTIONS {path} runs nothing",
        "OPTIONS",
        path,
        status=frozenset({204}),
        code=None,
    )
    for path in ("/api/v1/admin/events/{event_id}", "/internal/events/{event_id}/return-seats")
]


def forged(token: str) -> dict[str, str]:
    """What the rows below call by name, made of a good access token without its secret."""
    header, claims, signature = token.split(".")
    admin = _decoded(claims)
    return {
        "unsigned": f"{_encoded({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "unsigned_odd": f"{_encoded({'alg': 'nOnE', 'typ': 'JWT'})}.{claims}.{signature}",
        "hs512": f"{_encoded({'alg': 'HS512', 'typ': 'JWT'})}.{claims}.{signature}",
        "rs256": f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{claims}.{signature}",
        "with_kid": f"{_encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': '1'})}.{claims}.{signature}",
        "with_jku": (
            f"{_encoded({'alg': 'HS256', 'jku': 'http://127.0.0.1:1/x'})}.{claims}.{signature}"
        ),
        "with_crit": (
            f"{_encoded({'alg': 'HS256', 'crit': ['exp'], 'exp': 1})}.{claims}.{signature}"
        ),
        "promoted": f"{header}.{_encoded({**admin, 'role': 'super_admin'})}.{signature}",
        "longer": f"{header}.{_encoded({**admin, 'exp': 4_000_000_000})}.{signature}",
        "other_signature": f"{header}.{claims}.{'A' * len(signature)}",
        "no_signature": f"{header}.{claims}.",
        "two_parts": f"{header}.{claims}",
        "four_parts": f"{token}.{signature}",
        "cut": token[:-1],
        "padded": f"{token}=",
    }


def _encoded(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(segment: str) -> dict[str, object]:
    padded = segment + "=" * (-len(segment) % 4)
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(padded))
    return found


def _authorizations(attack: Attack, values: Iterable[str | None]) -> Iterable[Attack]:
    for value in values:
        headers = {} if value is None else {"Authorization": value}
        yield replace(
            attack,
            name=f"{attack.name} with Authorization: {str(value)[:50]}",
            headers=headers,
            status=frozenset({401}),
            code=UNAUTHORIZED,
        )


NO_AUTHORIZATION = (
    *(None, "", "Bearer", "Bearer ", "Basic x", "BearerFOO {token}", "{token}", "Token {token}"),
    *("Bearer \xff", "Bearer {token} {token}", "Bearer {token},{token}", 'Bearer "{token}"'),
    *("Bearer {refresh_token}", "Bearer null", "Bearer ..", "Bearer a.b.c", "Bearer " + "x" * 5000),
    *("Bearer {unsigned}", "Bearer {unsigned_odd}", "Bearer {hs512}", "Bearer {rs256}"),
    *("Bearer {with_kid}", "Bearer {with_jku}", "Bearer {with_crit}", "Bearer {promoted}"),
    *("Bearer {longer}", "Bearer {other_signature}", "Bearer {no_signature}", "Bearer {two_parts}"),
    *("Bearer {four_parts}", "Bearer {cut}", "Bearer {padded}", "ApiKey {internal_key}"),
)
ADMIN_READ = Attack("admin event", "GET", "/api/v1/admin/events/{event_id}")
INTERNAL_READ = Attack("internal event", "GET", "/internal/events/{event_id}")
TOKENS = [
    *_authorizations(ADMIN_READ, NO_AUTHORIZATION),
    replace(
        ADMIN_READ,
        name="1 MB of token",
        headers={"Authorization": "Bearer " + "x" * 1_000_000},
        status=frozenset({400, 401, 431}),
        code="",
        envelope=False,
    ),
    replace(
        ADMIN_READ,
        name="the scheme in small letters is fine",
        headers={"Authorization": "bearer {token}"},
        status=frozenset({200}),
        code=None,
    ),
    replace(
        ADMIN_READ,
        name="a token in the query",
        path=f"{ADMIN_READ.path}?access_token={{token}}",
        status=frozenset({401}),
        code=UNAUTHORIZED,
    ),
    replace(REFRESH, name="no refresh token", body=b"{}", says="body.refresh_token"),
    *(
        replace(
            REFRESH,
            name=f"refresh with {token[:40]}",
            body=f'{{"refresh_token":"{token}"}}'.encode(),
            status=frozenset({401}),
            code=UNAUTHORIZED,
        )
        for token in ("{token}", "x", "é", "{refresh_token}x", "x" * 1000)
    ),
]

INTERNAL_KEYS = [
    *_authorizations(
        INTERNAL_READ, (None, "Bearer {token}", "ApiKey", "ApiKey ", "Bearer {internal_key}")
    ),
    *(
        replace(
            INTERNAL_READ,
            name=f"X-API-Key: {key[:40]!r}",
            headers={"X-API-Key": key},
            status=statuses,
            code=UNAUTHORIZED,
        )
        for key, statuses in (
            ("", frozenset({401})),
            ("\xff", frozenset({401})),
            ("x" * 600, frozenset({401})),
            ("wrong", frozenset({403})),
            ("{key_prefix}", frozenset({403})),
            ("{internal_key}x", frozenset({403})),
            ("{token}", frozenset({401, 403})),
        )
    ),
    *(
        replace(
            INTERNAL_READ,
            name=f"a key in the query as {name}",
            path=f"{INTERNAL_READ.path}?{name}={{internal_key}}",
            status=frozenset({401}),
            code=UNAUTHORIZED,
        )
        for name in ("api_key", "X-API-Key", "key")
    ),
    replace(
        MOVE,
        name="an admin's token on a seat move",
        headers={**ADMIN, **JSON},
        body=_with(A_MOVE).encode(),
        status=frozenset({401}),
        code=UNAUTHORIZED,
    ),
    replace(
        INTERNAL_READ,
        name="Authorization: ApiKey is fine",
        headers={"Authorization": "apikey {internal_key}"},
        status=frozenset({200}),
        code=None,
    ),
]

KEYED = replace(
    MOVE,
    name="Idempotency-Key",
    headers={**MOVE.headers, "Idempotency-Key": "x"},
    body=_with(A_MOVE).encode(),
)
HEADERS = [
    *(
        replace(
            KEYED,
            name=f"{name}: {text[:40]!r}",
            headers={**MOVE.headers, name: text},
            says=f"header.{name}",
        )
        for name, texts in {
            "Idempotency-Key": ("", "x" * 256, "é", "\xff", '"', '"x', '""', '"a"b"', "a\tb"),
            "X-Request-Timeout-Ms": ("", "0", "-1", "1.5", "1e3", "30001", "x", "9" * 20, "+1"),
        }.items()
        for text in texts
    ),
    *(
        replace(KEYED, name=f"{name} twice", again={name: text}, says=name)
        for name, text in {
            "X-API-Key": "{internal_key}",
            "Idempotency-Key": "y",
        }.items()
    ),
    replace(
        ADMIN_READ,
        name="Authorization twice",
        headers=ADMIN,
        again={"authorization": "Bearer {token}"},
        says="Authorization",
    ),
]

ADMINS = [
    *_fields(
        REGISTER,
        AN_ADMIN,
        "email",
        (
            *('""', '" "', "null", "5", '"ada"', '"ada@"', '"@x.io"', '"a b@x.io"', '"a@b@x.io"'),
            *(f'"{"x" * 250}@x.io"', '"a\\n@x.io"', '"ada@x"', None),
            # No regular expression takes long over what it refuses.
            *(f'"{"a@" * 20_000}"', f'"a@{"a." * 20_000}"', f'"{" " * 60_000}"'),
            *('"a\u200b@x.io"', '"a\u202e@x.io"', '"a@x..io"', '"a@.io"', '"a@x.io."'),
        ),
    ),
    *_fields(
        REGISTER,
        AN_ADMIN,
        "password",
        ('""', '"1234567"', _text(73), '"' + "é" * 37 + '"', "null", "12345678", None),
    ),
    *_rows(
        replace(REGISTER, says="NUL"),
        {"NUL in the password": _with(AN_ADMIN, password='"correct\\u0000horse"')},
    ),
    *_fields(REGISTER, AN_ADMIN, "name", (*NO_NAME, None)),
    *_fields(
        REGISTER,
        AN_ADMIN,
        "phone_number",
        ('"call me"', '"1"', "5", '"' + "1" * 21 + '"', '"+' + "(" * 19 + '"', '"１２３４５"'),
    ),
    *_fields(REGISTER, AN_ADMIN, "role", ('"owner"', '""', "null", "5", '["admin"]')),
    replace(
        REGISTER,
        name="register as super_admin",
        body=_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    ),
    replace(
        REGISTER,
        name="register as super_admin with an event_manager's token",
        headers={**JSON, **ADMIN},
        body=_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    ),
    replace(
        REGISTER,
        name="register as super_admin with a forged token",
        headers={**JSON, "Authorization": "Bearer {promoted}"},
        body=_with(AN_ADMIN, role='"super_admin"').encode(),
        status=frozenset({401}),
        code=UNAUTHORIZED,
    ),
    *_fields(LOGIN, {"email": '"a@x.io"', "password": '"x"'}, "email", ("null", "5", '""', None)),
    *_fields(LOGIN, {"email": '"a@x.io"', "password": '"x"'}, "password", ("null", '""', None)),
    *(
        replace(
            LOGIN,
            name=f"login: {name}",
            body=body.encode(),
            status=frozenset({401}),
            code=UNAUTHORIZED,
        )
        for name, body in {
            "nobody's email": '{"email":"nobody@attacks.example","password":"correct horse"}',
            "73 bytes": f'{{"email":"nobody@attacks.example","password":{_text(73)}}}',
            "SQL": '{"email":"\' OR 1=1--","password":"\' OR 1=1--"}',
        }.items()
    ),
]


def _of_another(attack: Attack, body: str | None = None) -> Attack:
    return replace(
        attack,
        name=f"{attack.name} of another admin's event",
        path=attack.path.replace("{event_id}", "{other_id}"),
        body=None if body is None else body.encode(),
        status=frozenset({403}),
        code=UNAUTHORIZED,
    )


OWNERSHIP = [
    _of_another(replace(ADMIN_READ, headers=ADMIN)),
    _of_another(CHANGE, _with({"version": "2"}, name='"Mine"')),
    _of_another(replace(CHANGE, name="end"), _with({"version": "2"}, status='"cancelled"')),
    _of_another(CANCEL, _with({"version": "2"})),
    _of_another(
        Attack("analytics", "GET", "/api/v1/admin/events/{event_id}/analytics", headers=ADMIN)
    ),
    _of_another(Attack("history", "GET", "/api/v1/admin/events/{event_id}/history", headers=ADMIN)),
]

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
