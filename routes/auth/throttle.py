"""Stops guessing: after too many failed logins, or too many registrations, a client has to wait.

Rule: a limit counts guesses, not logins. A login that succeeds is not counted and resets the
counts of its account; an attempt that is refused here is no guess and does not prolong the wait.
While an account is over a limit, the right password is refused too, and does not show that it was
right.

Three limits apply to a login. The tight one is on an account as seen from one address, so that a
stranger who fails on purpose locks out themselves and not the admin. The two looser ones are on
the account from all addresses, against an attack from many, and on the address for all accounts,
against trying one password on many. Counts live in the database, which all workers and nodes share.
The buckets of an account begin with the same bytes, so that an operator can reset all of them
without knowing the addresses.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

from db.throttle_store import Attempts, ThrottleStore
from evently.domain.admins import Throttled
from evently.domain.text import fold_case


@dataclass(frozen=True, slots=True)
class Limit:
    """How many attempts are allowed in a window, which begins with the first of them."""

    name: str
    attempts_max: int
    window_s: float


# Half of a bucket: far too many bits for two accounts to share them.
ACCOUNT_BYTES = 16
QUARTER_HOUR_S, HOUR_S = 900.0, 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit. The defaults: 960 guesses a day from one address at one password."""

    account_from_address: Limit = Limit("login-account-address", 10, QUARTER_HOUR_S)
    # Three addresses' worth: 2 880 guesses a day, which is nothing for a password of 8 bytes.
    account: Limit = Limit("login-account", 30, QUARTER_HOUR_S)
    # A hundred people in an office share one address, and mistype on a Monday morning.
    address: Limit = Limit("login-address", 200, QUARTER_HOUR_S)
    # More than any client that retries needs; each costs a quarter of a second of one thread.
    registration_account: Limit = Limit("register-account", 30, HOUR_S)
    # An organisation may enrol within an hour; the thread could hash 15 000.
    registration_address: Limit = Limit("register-address", 1000, HOUR_S)


class Attempt(Protocol):
    """Something that is counted: its buckets, each with the limit that applies to it."""

    @property
    def buckets(self) -> dict[bytes, Limit]:
        """Digests of limit and subject."""


class LoginAttempt:
    """A login with an email, from an address."""

    __slots__ = ("account", "address", "pair")

    def __init__(self, limits: Limits, email: str, address: str) -> None:
        account = _account(email)
        self.pair = _of_account(limits.account_from_address, account, address)
        self.account = _of_account(limits.account, account)
        self.address = _bucket(limits.address, address)

    @property
    def buckets(self) -> dict[bytes, Limit]:
        """The three buckets of a login."""
        return dict((self.pair, self.account, self.address))


class RegistrationAttempt:
    """A registration of an email, from an address."""

    __slots__ = ("buckets",)

    def __init__(self, limits: Limits, email: str, address: str) -> None:
        account = _bucket(limits.registration_account, _account(email))
        self.buckets = dict((account, _bucket(limits.registration_address, address)))


class Throttle:
    """Counts attempts against their limits."""

    def __init__(self, store: ThrottleStore, limits: Limits | None = None) -> None:
        self._store = store
        self.limits = limits or Limits()

    async def check(self, login: LoginAttempt) -> Throttled | None:
        """Whether as many failures have been counted as a limit allows."""
        found = await self._store.read_attempts(list(login.buckets))
        return _over(login, found, spare=0)

    async def failed(self, login: LoginAttempt) -> Throttled | tuple[Limit, ...]:
        """Count a failure; the limits that it reached, or Throttled if it is past one."""
        found = await self._count(login)
        throttled = _over(login, found, spare=1)
        if throttled is not None:
            return throttled
        limits = login.buckets
        return tuple(
            limits[bucket]
            for bucket, attempts in found.items()
            if attempts.count == limits[bucket].attempts_max
        )

    async def succeeded(self, login: LoginAttempt) -> Throttled | None:
        """Reset the account's failures, unless it is over a limit by now."""
        found = await self._store.read_attempts(list(login.buckets))
        throttled = _over(login, found, spare=0)
        if throttled is not None:
            return throttled
        mine = [bucket for bucket in (login.pair[0], login.account[0]) if bucket in found]
        if mine:
            await self._store.forget_attempts(mine)
        return None

    async def forget(self, email: str) -> None:
        """Reset the failures of the account with `email`, from all addresses."""
        await self._store.forget_account(_account_bytes(_account(email)))

    async def registering(self, registration: RegistrationAttempt) -> Throttled | None:
        """Count a registration, and tell whether it is past a limit."""
        return _over(registration, await self._count(registration), spare=1)

    async def _count(self, attempt: Attempt) -> dict[bytes, Attempts]:
        windows = {bucket: limit.window_s for bucket, limit in attempt.buckets.items()}
        return await self._store.count_attempts(windows)


def _over(attempt: Attempt, found: dict[bytes, Attempts], *, spare: int) -> Throttled | None:
    """Throttled until the last window ends, if a bucket holds its limit and `spare` more."""
    limits = attempt.buckets
    waits_s = [
        attempts.ends_in_s
        for bucket, attempts in found.items()
        if attempts.count >= limits[bucket].attempts_max + spare
    ]
    return Throttled(max(1, math.ceil(max(waits_s)))) if waits_s else None


def _account(email: str) -> str:
    """The one form of all spellings that find the same account."""
    return fold_case(email.strip())


def _account_bytes(account: str) -> bytes:
    return _digest(f"account\0{account}")[:ACCOUNT_BYTES]


def _of_account(limit: Limit, account: str, address: str = "") -> tuple[bytes, Limit]:
    tail = _digest(f"{limit.name}\0{account}\0{address}")[ACCOUNT_BYTES:]
    return _account_bytes(account) + tail, limit


def _bucket(limit: Limit, subject: str) -> tuple[bytes, Limit]:
    return _digest(f"{limit.name}\0{subject}"), limit


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
