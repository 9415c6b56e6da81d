"""Requests that no HTTP library would send: data, which `test_http.py` plays as it stands.

Rule: a row is bytes, and what answers them; adding an attack is adding a row. The names in braces
are those of `attacks`. What is refused for its form ends the connection, because nobody can say
where the next request begins; so a seat move stands behind each, which must not be heard.
"""

from collections.abc import Iterable
from dataclasses import dataclass

HOST = b"Host: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
MOVE = (
    b"POST /internal/events/{event_id}/update-availability HTTP/1.1\r\n"
    b"Host: x\r\nX-API-Key: {internal_key}\r\nContent-Type: application/json\r\n"
)
BODY = b'{"quantity":-1,"version":"*"}'
# Stands behind whatever ends the connection: were it heard, a seat would be gone.
SMUGGLED = MOVE + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
# A move that is understood, and refused for what it asks.
REFUSED = b'{"quantity":0,"version":"*"}'
CHUNK = b"%x" % len(REFUSED)
CHUNKED = MOVE + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class RawAttack:
    """Bytes, the status that answers them, and whether the connection ends with it.

    `says` is found in the answer. Where `code` is empty the answer is no error.
    """

    name: str
    raw: bytes
    status: int = 400
    code: str = "VALIDATION_ERROR"
    says: bytes = b""
    ends: bool = True


def _each(name: str, raws: Iterable[bytes]) -> Iterable[RawAttack]:
    """Bytes that are no HTTP request, by what is odd about them."""
    for raw in raws:
        yield RawAttack(f"{name}: {raw[-60:]!r} ({len(raw)})", raw)


def _lengths(values: Iterable[bytes]) -> Iterable[bytes]:
    return (MOVE + b"Content-Length: " + value + b"\r\n\r\n" + BODY for value in values)


def _codings(values: Iterable[bytes]) -> Iterable[bytes]:
    chunks = CHUNK + b"\r\n" + REFUSED + b"\r\n0\r\n\r\n"
    return (MOVE + b"Transfer-Encoding: " + value + b"\r\n\r\n" + chunks for value in values)


def _lines(lines: Iterable[bytes]) -> Iterable[bytes]:
    return (line + b"\r\n" + HOST + b"\r\n" for line in lines)


def _headers(headers: Iterable[bytes]) -> Iterable[bytes]:
    return (GET + HOST + header + b"\r\n\r\n" for header in headers)


_LENGTH = b"Content-Length: %d\r\n" % len(BODY)
_CHUNK_LINE = CHUNK + b"\r\n" + REFUSED + b"\r\n"
FRAMING = (
    *_each(
        "length and chunks",
        (
            MOVE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            MOVE + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            MOVE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            MOVE + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
        ),
    ),
    *_each(
        "two lengths",
        (
            MOVE + _LENGTH * 2 + b"\r\n" + BODY,
            MOVE + b"Content-Length: 5\r\n" + _LENGTH + b"\r\n" + BODY,
            *_lengths((b"29, 29", b"29,5")),
        ),
    ),
    *_each(
        "length",
        _lengths((b"", b"+29", b"-1", b"0x1d", b"2 9", b"1_0", b"29;", b"\xb2", b"9" * 30)),
    ),
    *_each(
        "chunk",
        (
            CHUNKED + chunk
            for chunk in (
                *(b"x\r\n", b"-1\r\n", b"\r\n1d\r\n", b"f" * 20 + b"\r\n"),
                *(b"0x" + _CHUNK_LINE, b"+" + _CHUNK_LINE, b" " + _CHUNK_LINE),
                CHUNK + b" \r\n" + REFUSED + b"\r\n0\r\n\r\n",
                CHUNK + b"\n" + REFUSED + b"\n0\n\n",
                CHUNK + b"\r\n" + REFUSED + b"x\r\n0\r\n\r\n",
                CHUNK + b";a\nb\r\n" + REFUSED + b"\r\n0\r\n\r\n",
                _CHUNK_LINE + b"0\r\nContent-Length: 3\r\n\r\n",
                _CHUNK_LINE + b"0\r\nX : y\r\n\r\n",
                _CHUNK_LINE + b"0\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
            )
        ),
    ),
    *_each(
        "coding",
        _codings(
            (
                *(b"", b"identity", b"gzip", b"chunked, chunked", b"chunked, identity"),
                *(b"xchunked", b"chunked;q=1", b'"chunked"', b"\x0bchunked", b"chunked, gzip"),
            )
        ),
    ),
)

HEADS = (
    *_each(
        "line ends",
        (
            b"GET /healthz HTTP/1.1\nHost: x\n\n",
            GET + b"Host: x\nX-A: b\r\n\r\n",
            GET + HOST[:-2] + b"\r\n\n",
            GET + b"Host: x\rX-A: b\r\n\r\n",
        ),
    ),
    *_each("folded", _headers((b"X-A: b\r\n c", b"X-A: b\r\n\tc", b"X-A:\r\n b"))),
    *_each("hosts", (GET + HOST * 2 + b"\r\n", GET + b"\r\n", GET + b" Host: x\r\n\r\n")),
    *_each(
        "header",
        _headers(
            (
                *(b"X-A: a\0b", b"X-A: a\x01b", b"X-A: a\x7fb", b"X-A", b": a", b"X A: b"),
                *(b"X(A): b", b"X-A : b", b"\xc3\xa9: b"),
            )
        ),
    ),
    *_each(
        "size",
        (
            *_lines((b"GET /" + b"x" * 9000 + b" HTTP/1.1",)),
            *_lines((b"GET /api/v1/events?city=" + b"x" * 9000 + b" HTTP/1.1",)),
            *_headers((b"X-A: " + b"x" * 9000, b"X" * 9000 + b": a")),
            *_headers((b"X-A: b\r\n" * 200, b"X-A: b\r\n" * 20_000)),
            # An end is not waited for.
            GET + HOST + b"X-A: " + b"x" * 9000,
            b"GET /" + b"x" * 9000,
        ),
    ),
    *_each(
        "request line",
        _lines(
            (
                *(b"GET /healthz", b"GET /healthz HTTP/0.9", b"GET /healthz HTTP/2.0"),
                *(b"GET /healthz HTTP/1.2", b"GET /healthz HTTP/3", b"GET /healthz HTTP/1.10"),
                *(b"GET /healthz http/1.1", b"GET /healthz HTTP/1.1 x", b"get /healthz HTTP/1.1"),
                *(b" GET /healthz HTTP/1.1", b"GET\t/healthz\tHTTP/1.1", b"G@T /healthz HTTP/1.1"),
                *(b"GET /health\0z HTTP/1.1", b"GET /health\xffz HTTP/1.1", b"GET x HTTP/1.1"),
                *(b"GET * HTTP/1.1", b"PRI * HTTP/2.0", b"BREW /healthz HTTP/1.1", b"EHLO x"),
                *(b"GET http://[x/healthz HTTP/1.1", b"GET http:///healthz HTTP/1.1"),
                *(b"GET file:///etc/passwd HTTP/1.1", b"GET http://x:99999/healthz HTTP/1.1"),
                *(b"X" * 100 + b" /healthz HTTP/1.1", b"GET \\healthz HTTP/1.1", b"\0" * 40),
            )
        ),
    ),
    *_each("no HTTP", (bytes.fromhex("16030100c8010000c40303") + bytes(180), bytes(range(256)))),
)


def _answered(name: str, raw: bytes, status: int, code: str = "", says: bytes = b"") -> RawAttack:
    return RawAttack(name, raw, status, code, says, ends=False)


_WEBSOCKET = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
# Odd, and understood: the next request on the connection is heard, and means what it says.
ODD = (
    *(
        _answered(f"{line!r}", raw, 405, "METHOD_NOT_ALLOWED")
        for line in (
            *(b"TRACE /healthz HTTP/1.1", b"CONNECT /healthz HTTP/1.1", b"CONNECT x:443 HTTP/1.1"),
            *(b"QUERY /healthz HTTP/1.1", b"PROPFIND /healthz HTTP/1.1"),
        )
        for raw in _lines((line,))
    ),
    *(
        _answered(f"{line!r}", raw, 404, "NOT_FOUND")
        for line in (
            *(b"GET //x/healthz HTTP/1.1", b"GET /healthz#x HTTP/1.1", b"GET /healthz\\ HTTP/1.1"),
            *(b"GET http://x HTTP/1.1", b"GET http://x?a=1 HTTP/1.1", b"OPTIONS * HTTP/1.1"),
            *(b"GET http://x//healthz HTTP/1.1", b"GET http://x/%68ealthz HTTP/1.1"),
        )
        for raw in _lines((line,))
    ),
    *(
        _answered(f"{line!r}", raw, 200)
        for line in (
            *(b"GET http://elsewhere/healthz HTTP/1.1", b"GET https://u:p@x/healthz HTTP/1.1"),
            *(b"GET /healthz?a=1?b=2 HTTP/1.1", b"\r\nGET /healthz HTTP/1.1"),
        )
        for raw in _lines((line,))
    ),
    _answered(
        "a query in a whole URL",
        b"GET http://x/api/v1/events?page=0 HTTP/1.1\r\n" + HOST + b"\r\n",
        400,
        "VALIDATION_ERROR",
        b"query.page",
    ),
    *(
        _answered(f"header {header[:60]!r}", raw, 200)
        for header in (
            *(b"Range: bytes=0-1", b"Accept-Encoding: gzip", b"Accept: text/html;q=1, */*;q=0"),
            *(b"Expect: 100-continue", b"X-HTTP-Method-Override: DELETE", b"Cookie: a=b"),
            *(b"X-Original-URL: /metrics", b"X-Forwarded-For: " + b"1.1.1.1, " * 800),
            *(b"traceparent: 00-" + b"0" * 60, b"X-Request-ID: \xe9", b"Max-Forwards: 0"),
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + _WEBSOCKET,
        )
        for raw in _headers((header,))
    ),
    _answered("a body that GET has no use for", GET + HOST + b"Content-Length: 2\r\n\r\n{}", 200),
    *(
        _answered(f"chunks {chunks[:12]!r}", CHUNKED + chunks, 400, "VALIDATION_ERROR", b"quantity")
        for chunks in (
            _CHUNK_LINE + b"0\r\n\r\n",
            CHUNK + b";x=y\r\n" + REFUSED + b"\r\n0\r\n\r\n",
            b"000" + _CHUNK_LINE + b"0\r\n\r\n",
            # What comes after the body has no say in who sent it.
            _CHUNK_LINE + b"0\r\nX-API-Key: wrong\r\n\r\n",
            b"".join(b"1\r\n%c\r\n" % byte for byte in REFUSED) + b"0\r\n\r\n",
        )
    ),
    *(
        _answered(f"coded {raw[90:130]!r}", raw, 415, "UNSUPPORTED_MEDIA_TYPE", b"chunked")
        for raw in _codings((b"gzip, chunked", b"x, chunked"))
    ),
    _answered(
        "chunks to a path that is not there",
        b"POST /nowhere HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n"
        + _CHUNK_LINE
        + b"0\r\n\r\n",
        404,
        "NOT_FOUND",
    ),
)

RAW_ATTACKS: tuple[RawAttack, ...] = (*FRAMING, *HEADS)
