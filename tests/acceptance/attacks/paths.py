"""Queries, ids and methods that are wrong."""

from collections.abc import Iterable
from dataclasses import replace

from tests.acceptance.attacks.fields import A_CHANGE
from tests.acceptance.attacks.requests import (
    A_MOVE,
    ADMIN,
    CANCEL,
    CHANGE,
    DRAFT,
    INTERNAL,
    JSON,
    LIST,
    MOVE,
    NIL,
    OWN,
    RETURN,
    VENUES,
    Attack,
    json_with,
)

NO_PAGE = (
    *("", "0", "-1", "+1", "%2B1", "1.0", "1e3", "0x10", "1_000", "01", "%20", "%201", "1%20"),
    *("%EF%BC%91", "%D9%A1", "9" * 20, "9" * 5000, "null", "true", "1;2", "%00", "NaN"),
)


NO_DATE = (
    *("2040-13-01", "2040-02-30", "2040-1-1", "tomorrow", "0000-00-00", "9999-12-31"),
    *("2040-06-01T20:00:00", "%EF%BC%92040-06-01", "2040-06-01T20:00:00%2B25:00"),
    "0001-01-01T00:00:00%2B01:00",
)


def queries(attack: Attack, name: str, texts: Iterable[str]) -> Iterable[Attack]:
    for text in texts:
        yield replace(
            attack,
            name=f"{attack.name} ?{name}={text[:40]} ({len(text)})",
            path=f"{attack.path}?{name}={text}",
            says=f"query.{name}",
        )


def fine(attack: Attack, name: str, texts: Iterable[str]) -> Iterable[Attack]:
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
    *queries(LIST, "page", NO_PAGE),
    *queries(LIST, "limit", NO_PAGE),
    *queries(OWN, "page", NO_PAGE),
    *queries(VENUES, "limit", NO_PAGE),
    *queries(LIST, "date_from", NO_DATE),
    *queries(LIST, "date_to", NO_DATE),
    *queries(LIST, "city", ("x" * 201, "x" * 7000, "a%00b")),
    *queries(VENUES, "search", ("x" * 201, "x" * 7000, "a%00b")),
    *queries(OWN, "status", ("PUBLISHED", "open", "published,draft")),
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
        says="date_to must not be before",
    ),
    replace(
        LIST,
        name="two types",
        path=f"{LIST.path}?type=opera&event_type=rock",
        says="must not differ",
    ),
    replace(LIST, name="10 KB of search", path=f"{LIST.path}?city={'x' * 10_240}", envelope=False),
    *fine(LIST, "city", ODD_TEXT),
    *fine(LIST, "type", ODD_TEXT),
    *fine(VENUES, "search", ODD_TEXT),
    *fine(VENUES, "city", ODD_TEXT),
    *fine(LIST, "city", ("%ff", "%ed%a0%80", "%zz", "%", "%e2%84%aa", "%C4%B0", "%EF%BF%BF")),
    *fine(VENUES, "search", ("%ff", "%ed%a0%80", "%zz", "%EF%BF%BF", "%C3%9F")),
    *fine(LIST, "date_from", ("2040-01-01T00:00:00+02:00", "2040-01-01T00:00:00%2B02:00")),
    *fine(LIST, "limit", ("100", "101", "999999999")),
    *fine(LIST, "page", ("999999999",)),
    *fine(LIST, "unknown", ("1", "", "%00")),
    *fine(LIST, "date_from", ("", "2040-01-01T00:00Z")),
    *fine(OWN, "status", ("",)),
    *(
        replace(
            attack, name=f"a slip: {name}", path=f"{attack.path}?{name}=1", says=f"query.{name}"
        )
        for attack, names in ((LIST, ("citty", "limits", "date-to")), (VENUES, ("serach",)))
        for name in names
    ),
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
    replace(
        CHANGE, path="/api/v1/admin/events/{id}", body=json_with(A_CHANGE, name='"X"').encode()
    ),
    replace(CANCEL, path="/api/v1/admin/events/{id}", body=json_with(A_CHANGE).encode()),
    replace(
        MOVE, path="/internal/events/{id}/update-availability", body=json_with(A_MOVE).encode()
    ),
    replace(
        RETURN,
        path="/internal/events/{id}/return-seats",
        body=json_with(A_MOVE, quantity="1").encode(),
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


def at(attack: Attack, text: str) -> Attack:
    path = attack.path.replace("{id}", text)
    return replace(attack, name=f"{attack.name} of {text[:50]}", path=path)


ODD_PATHS = (
    *("/api/v1/events/..", "/api/v1/events/%2e%2e", "/api/v1/events/%2F", "/api/v1/events/%00"),
    *("/api/v1/events/a%2Fb", f"/api/v1/events/{ID}%00", "/api/v1/events/..%2f..%2fhealthz"),
    "/api/v1/events/../../../healthz",
)


NO_PATHS = (
    *("//", "/api", "/api/v1", "/api/v1/", "/api/v1/events/", "//api/v1/events"),
    *("/api//v1/events", f"/api/v1/events/{ID}/", f"/api/v1/events/{ID}//availability"),
    *("/healthz/", "/HEALTHZ", "/api/v1/Events", "/docs/", "/docs/../docs", "/docs/%2e%2e/x"),
    *("/docs/oauth2-redirect.html", "/docs/swagger-ui.css.map", "/api/v1/events;x=1", "/*"),
    *(f"/internal/events/{ID}/", "/internal/event", "/.env", "/favicon.ico", "/%68ealthz"),
)


IDS = [
    *(at(attack, text) for attack in AROUND_IDS for text in NO_ID),
    *(at(attack, text) for attack in AROUND_VENUE_IDS for text in NO_ID),
    *(
        replace(at(attack, NIL), status=frozenset({404}), code="EVENT_NOT_FOUND")
        for attack in AROUND_IDS
    ),
    *(
        replace(at(attack, NIL), status=frozenset({404}), code="VENUE_NOT_FOUND")
        for attack in AROUND_VENUE_IDS
    ),
    *(
        replace(at(attack, DRAFT), status=frozenset({404}), code="EVENT_NOT_FOUND")
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
