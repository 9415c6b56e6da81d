"""Tokens, keys and headers that are wrong."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from tests.acceptance.attacks.requests import (
    A_MOVE,
    ADMIN,
    JSON,
    MOVE,
    REFRESH,
    UNAUTHORIZED,
    Attack,
    json_with,
)


def forged(token: str) -> dict[str, str]:
    """What the rows below call by name, made of a good access token without its secret."""
    header, claims, signature = token.split(".")
    admin = decoded(claims)
    return {
        "unsigned": f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
        "unsigned_odd": f"{encoded({'alg': 'nOnE', 'typ': 'JWT'})}.{claims}.{signature}",
        "hs512": f"{encoded({'alg': 'HS512', 'typ': 'JWT'})}.{claims}.{signature}",
        "rs256": f"{encoded({'alg': 'RS256', 'typ': 'JWT'})}.{claims}.{signature}",
        "with_kid": f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': '1'})}.{claims}.{signature}",
        "with_jku": (
            f"{encoded({'alg': 'HS256', 'jku': 'http://127.0.0.1:1/x'})}.{claims}.{signature}"
        ),
        "with_crit": (
            f"{encoded({'alg': 'HS256', 'crit': ['exp'], 'exp': 1})}.{claims}.{signature}"
        ),
        "promoted": f"{header}.{encoded({**admin, 'role': 'super_admin'})}.{signature}",
        "longer": f"{header}.{encoded({**admin, 'exp': 4_000_000_000})}.{signature}",
        "other_signature": f"{header}.{claims}.{'A' * len(signature)}",
        "no_signature": f"{header}.{claims}.",
        "two_parts": f"{header}.{claims}",
        "four_parts": f"{token}.{signature}",
        "cut": token[:-1],
        "padded": f"{token}=",
    }


def encoded(value: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def decoded(segment: str) -> dict[str, object]:
    padded = segment + "=" * (-len(segment) % 4)
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(padded))
    return found


def authorizations(attack: Attack, values: Iterable[str | None]) -> Iterable[Attack]:
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
    *authorizations(ADMIN_READ, NO_AUTHORIZATION),
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
    *authorizations(
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
        body=json_with(A_MOVE).encode(),
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
    body=json_with(A_MOVE).encode(),
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
