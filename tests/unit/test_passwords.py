"""How passwords are hashed, and what happens when many are queued."""

import asyncio
import threading

import bcrypt
import pytest

from evently.domain.errors import TooManyLogins
from routes.auth.passwords import Passwords
from routes.contract.errors import failed

CHEAP = 4


async def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Passwords(cost=CHEAP)
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$2b$04$")
    assert await passwords.matches("correct horse", stored)
    assert not await passwords.matches("correct horsf", stored)
    passwords.close()


COMPOSED, DECOMPOSED = "caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me"


@pytest.mark.parametrize("typed", [COMPOSED, DECOMPOSED])
async def test_a_password_matches_in_whatever_form_its_accents_are_typed(typed: str) -> None:
    passwords = Passwords(cost=CHEAP)
    assert await passwords.matches(typed, await passwords.hash(COMPOSED))
    assert not await passwords.matches(typed, None)
    passwords.close()


async def test_an_older_hash_of_what_was_typed_still_matches_that() -> None:
    passwords = Passwords(cost=CHEAP)
    stored = await passwords.hash(DECOMPOSED)
    assert await passwords.matches(DECOMPOSED, stored)
    assert not await passwords.matches(COMPOSED, stored)
    passwords.close()


async def test_the_default_cost_is_12() -> None:
    assert Passwords()._decoy.startswith(b"$2b$12$")


NEVER_RIGHT = {
    "empty": "",
    "73 bytes": "x" * 73,
    "a megabyte": "x" * 1_000_000,
    "NUL": "correct\0horse",
    "half a surrogate pair": "\ud800",
    "73 bytes of which the first 72 are right": "p" * 73,
}


@pytest.mark.parametrize("password", NEVER_RIGHT.values(), ids=NEVER_RIGHT.keys())
async def test_any_text_is_checked_without_raising(password: str) -> None:
    passwords = Passwords(cost=CHEAP)
    stored = await passwords.hash("p" * 72)
    assert not await passwords.matches(password, stored)
    passwords.close()


@pytest.mark.parametrize("password", ["right-password", "x" * 73, "a\0b"])
async def test_an_unknown_account_costs_what_a_known_one_does(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[bytes] = []

    def check(tried: bytes, hashed: bytes) -> bool:
        costs.append(hashed[:7])
        return True

    monkeypatch.setattr(bcrypt, "checkpw", check)
    passwords = Passwords(cost=CHEAP)
    assert not await passwords.matches(password, None)
    assert costs == [b"$2b$04$"]
    passwords.close()


class Gate:
    """A bcrypt that waits until the gate is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.entered = threading.Event()
        self.calls = 0
        monkeypatch.setattr(bcrypt, "checkpw", self._check)

    def _check(self, tried: bytes, hashed: bytes) -> bool:
        self.calls += 1
        self.entered.set()
        return self.opened.wait(timeout=10)


async def check(passwords: Passwords) -> bool:
    """A check by a caller who takes a place in the queue for it."""
    with passwords.place():
        return await passwords.matches("x", "$2b$")


async def test_one_past_the_bound_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    passwords = Passwords(cost=CHEAP, waiting_max=3)
    tries = [asyncio.ensure_future(check(passwords)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyLogins) as refusal:
        await check(passwords)
    answer = failed(refusal.value, reads=False)
    assert (answer.status, answer.code, answer.headers) == (
        429,
        "RATE_LIMITED",
        {"Retry-After": "5"},
    )
    gate.opened.set()
    assert await asyncio.gather(*tries) == [True] * 3
    assert await check(passwords)
    passwords.close()


async def test_the_event_loop_runs_while_a_password_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    passwords = Passwords(cost=CHEAP)
    trying = asyncio.ensure_future(passwords.matches("x", "$2b$"))
    await asyncio.get_running_loop().run_in_executor(None, gate.entered.wait)
    assert not trying.done()
    gate.opened.set()
    assert await trying
    passwords.close()


async def test_a_cancelled_check_leaves_the_queue_and_is_never_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(monkeypatch)
    passwords = Passwords(cost=CHEAP, waiting_max=2)
    first = asyncio.ensure_future(check(passwords))
    second = asyncio.ensure_future(check(passwords))
    await asyncio.get_running_loop().run_in_executor(None, gate.entered.wait)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    third = asyncio.ensure_future(check(passwords))
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.gather(*[first, third]) == [True, True]
    assert gate.calls == 2
    passwords.close()
