"""Which answers of the user service mean "this is an admin"."""

import json
from typing import Any

import pytest

from evently.domain.admins import Admin
from routes.auth.user_service import admin_in

ADMIN_ID = "8c0f6a0e-58c5-4d0b-9f5c-2d2b6a1b0c11"

YES: dict[str, dict[str, Any]] = {
    "valid and admin_id": {"valid": True, "admin_id": ADMIN_ID, "role": "admin"},
    "active and sub": {"active": True, "sub": ADMIN_ID, "role": "admin"},
    "both words": {"valid": True, "active": True, "user_id": ADMIN_ID, "role": "admin"},
    "capitals": {"valid": True, "user_id": ADMIN_ID.upper(), "role": "admin"},
    "more than was asked": {"valid": True, "sub": ADMIN_ID, "role": "admin", "email": "a@x.io"},
}


@pytest.mark.parametrize("answer", YES.values(), ids=YES.keys())
def test_a_clear_yes_admits(answer: dict[str, Any]) -> None:
    assert admin_in(json.dumps(answer).encode()) == Admin(ADMIN_ID, "admin")


GOOD = YES["valid and admin_id"]
NO: dict[str, Any] = {
    "false": {**GOOD, "valid": False},
    "a word for true": {**GOOD, "valid": "true"},
    "one for true": {**GOOD, "valid": 1},
    "valid but not active": {**GOOD, "active": False},
    "neither word": {"admin_id": ADMIN_ID, "role": "admin"},
    "no id": {"valid": True, "role": "admin"},
    "an id that is no UUID": {**GOOD, "admin_id": "7"},
    "an id that is a number": {**GOOD, "admin_id": 7},
    "the first id decides": {**GOOD, "admin_id": None, "sub": ADMIN_ID},
    "no role": {"valid": True, "admin_id": ADMIN_ID},
    "a customer": {**GOOD, "role": "customer"},
    "roles": {**GOOD, "role": ["admin"]},
    "a list": [GOOD],
    "null": None,
    "text": "valid",
}


@pytest.mark.parametrize("answer", NO.values(), ids=NO.keys())
def test_everything_else_is_no(answer: Any) -> None:
    assert admin_in(json.dumps(answer).encode()) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"7" * 10_000, b"<html>"])
def test_what_is_no_json_is_no(body: bytes) -> None:
    assert admin_in(body) is None
