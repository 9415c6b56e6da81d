"""Which access tokens are believed, and how the others are told apart."""

import base64
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from routes.auth.admin_tokens import (
    AUDIENCE,
    ISSUER,
    TOKEN_MAX,
    AdminTokens,
    BadToken,
    SignedElsewhere,
    SignedHere,
    Verdict,
)

SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "fedcba9876543210fedcba9876543210"
ADMIN_ID = "8c0f6a0e-58c5-4d0b-9f5c-2d2b6a1b0c11"


def claims(**changed: Any) -> dict[str, Any]:
    """Claims that are good but for what is changed; None leaves a claim out."""
    now = int(time.time())
    good = {
        "sub": ADMIN_ID,
        "role": "admin",
        "permissions": ["events:create"],
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now - 1,
        "exp": now + 60,
        "jti": "one",
    }
    return {name: to for name, to in {**good, **changed}.items() if to is not None}


def signed(payload: dict[str, Any], secret: str = SECRET, **header: Any) -> str:
    """A token signed by whatever PyJWT makes of `header`."""
    algorithm = header.pop("alg", "HS256")
    return jwt.encode(payload, secret, algorithm=algorithm, headers=header or None)


def segment(value: object) -> str:
    """A segment of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def read(token: str) -> Verdict:
    """What a fresh `AdminTokens` says of `token`."""
    return await AdminTokens(SECRET).read(token)


async def test_a_token_that_was_signed_here_is_believed() -> None:
    token = AdminTokens(SECRET).sign(ADMIN_ID, "admin")
    assert await read(token) == SignedHere(ADMIN_ID)


async def test_a_token_carries_what_the_contract_says_and_lasts_its_time() -> None:
    token = AdminTokens(SECRET, ttl_s=900, clock=lambda: 1_000_000.9).sign(ADMIN_ID, "admin")
    found = jwt.decode(token, options={"verify_signature": False})
    assert set(found) == {"sub", "role", "permissions", "iss", "aud", "iat", "exp", "jti"}
    assert found["sub"] == ADMIN_ID
    assert found["exp"] == 1_000_900
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


async def test_no_two_tokens_are_the_same() -> None:
    tokens = AdminTokens(SECRET)
    assert tokens.sign(ADMIN_ID, "admin") != tokens.sign(ADMIN_ID, "admin")


async def test_a_token_without_typ_is_believed() -> None:
    assert await read(signed(claims(), typ=None)) == SignedHere(ADMIN_ID)


@pytest.mark.parametrize("secret", ["", "short", "x" * 31])
async def test_a_secret_under_32_bytes_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AdminTokens(secret)


MALFORMED = {
    "empty": "",
    "one segment": "abc",
    "two segments": "abc.def",
    "four segments": "abcd.abcd.abcd.abcd",
    "an empty signature": f"{segment({'alg': 'none'})}.{segment(claims())}.",
    "not base64url": "ab+c.de/f.gh=i",
    "a byte that is no text": "\udcff.\udcff.\udcff",
    "fullwidth letters": "ａａａ.ａａａ.ａａａ",
    "a header that is no JSON": f"{segment(b'{')}.{segment(claims())}.AAAA",
    "a header that is no object": f"{segment([1])}.{segment(claims())}.AAAA",
    "a header that is no UTF-8": f"{segment(bytes([255, 254, 253]))}.{segment(claims())}.AAAA",
    "a header as deep as the sea": f"{segment(b'[' * 2000)}.AAAA.AAAA",
    "a trailing newline": signed(claims()) + "\n",
    "a megabyte": "a" * 1_000_000,
}


@pytest.mark.parametrize("token", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_no_token_is_malformed(token: str) -> None:
    assert await read(token) == BadToken("The access token is malformed")


NOW = int(time.time())
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    **{f"no {name}": {name: None} for name in claims()},
    "exp as text": {"exp": str(NOW + 60)},
    "exp as a float": {"exp": NOW + 60.5},
    "exp true": {"exp": True},
    "exp a list": {"exp": [NOW + 60]},
    "exp infinite": {"exp": float("inf")},
    "exp no number": {"exp": float("nan")},
    "iat as text": {"iat": str(NOW - 1)},
    "iat true": {"iat": True},
    "iat ahead": {"iat": NOW + 86_400},
    "nbf ahead": {"nbf": NOW + 86_400},
    "nbf as text": {"nbf": "0"},
    "another audience": {"aud": "evently-customer"},
    "audiences": {"aud": [AUDIENCE]},
    "another issuer": {"iss": "somebody"},
    "issuers": {"iss": [ISSUER]},
    "a customer's role": {"role": "customer"},
    "a role that is no text": {"role": ["admin"]},
    "a subject that is no UUID": {"sub": "admin"},
    "a subject in braces": {"sub": f"{{{ADMIN_ID}}}"},
    "a subject that is a number": {"sub": 7},
    "permissions as text": {"permissions": "all"},
    "permissions that are no text": {"permissions": [1]},
    "an empty jti": {"jti": ""},
    "a jti that is a number": {"jti": 7},
}


def lax(payload: dict[str, Any]) -> str:
    """A token with this service's signature over claims that PyJWT would not sign."""
    parts = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{segment(payload)}"
    algorithm = jwt.get_algorithm_by_name("HS256")
    return f"{parts}.{segment(algorithm.sign(parts.encode(), SECRET.encode()))}"


@pytest.mark.parametrize("changed", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS.keys())
async def test_a_signature_does_not_make_wrong_claims_right(changed: dict[str, Any]) -> None:
    assert isinstance(await read(lax(claims(**changed))), BadToken)


@pytest.mark.parametrize("payload", [b"[]", b"{", b"\xff", b"7" * 3000, b"null"])
async def test_a_signature_does_not_make_claims_of_anything_else(payload: bytes) -> None:
    parts = f"{segment({'alg': 'HS256'})}.{segment(payload)}"
    signature = jwt.get_algorithm_by_name("HS256").sign(parts.encode(), SECRET.encode())
    assert isinstance(await read(f"{parts}.{segment(signature)}"), BadToken)


async def test_nbf_in_the_past_is_no_hindrance() -> None:
    assert await read(signed(claims(nbf=NOW - 10))) == SignedHere(ADMIN_ID)


async def test_an_expired_token_says_so() -> None:
    token = AdminTokens(SECRET, clock=lambda: time.time() - 901).sign(ADMIN_ID, "admin")
    assert await read(token) == BadToken("The access token has expired; refresh it")


async def test_the_injected_clock_decides_too() -> None:
    token = signed(claims())
    late = AdminTokens(SECRET, clock=lambda: time.time() + 3600)
    assert await late.read(token) == BadToken("The access token has expired; refresh it")


FORGED: dict[str, Callable[[], str]] = {
    "another secret": lambda: signed(claims(), OTHER_SECRET),
    "a changed payload": lambda: _swapped(1, segment(claims(role="super_admin"))),
    "a changed signature": lambda: _swapped(2, segment(b"x" * 32)),
    "alg none": lambda: _swapped(0, segment({"alg": "none", "typ": "JWT"})),
    "alg NONE": lambda: _swapped(0, segment({"alg": "NONE"})),
    "no alg": lambda: _swapped(0, segment({"typ": "JWT"})),
    "alg a list": lambda: _swapped(0, segment({"alg": ["HS256"]})),
    "alg RS256": lambda: _swapped(0, segment({"alg": "RS256", "typ": "JWT"})),
    "alg HS512": lambda: signed(claims(), SECRET * 2, alg="HS512"),
    "alg HS384": lambda: signed(claims(), SECRET * 2, alg="HS384"),
    "a kid": lambda: signed(claims(), kid="../../dev/null"),
    "a jku": lambda: signed(claims(), jku="https://example.org/keys"),
    "an x5u": lambda: signed(claims(), x5u="https://example.org/cert"),
    "crit": lambda: _swapped(0, segment({"alg": "HS256", "crit": ["a\r\nb"]})),
    "another typ": lambda: signed(claims(), typ="at+jwt"),
    "b64": lambda: _swapped(0, segment({"alg": "HS256", "b64": False, "crit": ["b64"]})),
}


def _swapped(index: int, part: str) -> str:
    parts = signed(claims()).split(".")
    parts[index] = part
    return ".".join(parts)


@pytest.mark.parametrize("make", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_nobodys(make: Callable[[], str]) -> None:
    assert await read(make()) == BadToken("The access token is not valid")


ELSEWHERE: dict[str, Callable[[], str]] = {
    "its own secret": lambda: signed(claims(iss="users"), OTHER_SECRET),
    "its own algorithm and key id": lambda: ".".join(
        (segment({"alg": "RS256", "kid": "7"}), segment({"iss": "users"}), segment(b"x" * 256))
    ),
}


@pytest.mark.parametrize("make", ELSEWHERE.values(), ids=ELSEWHERE.keys())
async def test_a_token_of_another_issuer_is_another_services(make: Callable[[], str]) -> None:
    assert await read(make()) == SignedElsewhere()


async def test_an_expired_token_of_another_issuer_is_not_asked_about() -> None:
    token = signed(claims(iss="users", exp=NOW - 1), OTHER_SECRET)
    assert await read(token) == BadToken("The access token has expired; refresh it")


async def test_another_issuers_token_signed_with_this_secret_is_refused() -> None:
    assert isinstance(await read(signed(claims(iss="users"))), BadToken)


async def test_the_longest_token_is_read_and_one_past_it_is_not() -> None:
    token = signed(claims(iss="users"), OTHER_SECRET)
    longest = token + "A" * (TOKEN_MAX - len(token))
    assert await read(longest) == SignedElsewhere()
    assert await read(longest + "A") == BadToken("The access token is malformed")


async def test_a_bad_token_writes_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await read(signed(claims(), OTHER_SECRET))
    assert caplog.records == []
