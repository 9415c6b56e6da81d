"""Stops guessing: who has failed to log in too often, or registers too often, has to wait.

Rule: a limit counts guesses, not logins. A login that succeeds costs nothing and clears its
account; one that is refused here is no guess and does not prolong the wait; and a right password
does not get through, nor show that it was right, while its account is over a limit.

Three limits hold for a login. The tight one is on an account as seen from one address, so that a
stranger who fails on purpose locks himself out and not the admin; the looser two are on the
account from everywhere, against many addresses, and on the address for all accounts, against
trying one password on many. Counts live in the database, which every worker and node shares.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

from db.throttle_store import Attempts, ThrottleStore
from routes.contract.errors import ApiError, rate_limited


@dataclass(frozen=True, slots=True)
class Limit:
    """How many attempts there may be in a window, which begins with the first of them."""

    name: str
    attempts_max: int
    window_s: float


QUARTER_HOUR_S, HOUR_S = 900.0, 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit. The defaults: 960 guesses a day from one address at one password."""

    account_from_address: Limit = Limit("login-account-address", 10, QUARTER_HOUR_S)
    # Three addresses' worth: 2 880 a day, for a password of 8 bytes nothing.
    account: Limit = Limit("login-account", 30, QUARTER_HOUR_S)
    # An office of a hundred behind one address may mistype on a Monday morning.
    address: Limit = Limit("login-address", 200, QUARTER_HOUR_S)
    # More than any client that retries; each costs a quarter of a second of one thread.
    registration_account: Limit = Limit("register-account", 30, HOUR_S)
    # A whole organisation may enrol in an hour; the thread could do 15 000.
    registration_address: Limit = Limit("register-address", 1000, HOUR_S)


class Attempt(Protocol):
    """Something that is counted: its buckets, each with the limit that holds for it."""

    @property
    def buckets(self) -> dict[bytes, Limit]:
        """SHA-256 of limit and subject."""


class LoginAttempt:
    """A login with an email, from an address."""

    __slots__ = ("account", "address", "pair")

    def __init__(self, limits: Limits, email: str, address: str) -> None:
        account = _account(email)
        self.pair = _bucket(limits.account_from_address, f"{account}\0{address}")
        self.account = _bucket(limits.account, account)
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

    async def check(self, login: LoginAttempt) -> None:
        """Raise ApiError 429 where as many failures were counted as a limit allows."""
        found = await self._store.read_attempts(list(login.buckets))
        self._refuse(login, found, spare=0)

    async def failed(self, login: LoginAttempt) -> tuple[Limit, ...]:
        """Count a failure; the limits that it reached. Raises ApiError 429 past one."""
        found = await self._count(login)
        self._refuse(login, found, spare=1)
        limits = login.buckets
        return tuple(
            limits[bucket]
            for bucket, attempts in found.items()
            if attempts.count == limits[bucket].attempts_max
        )

    async def succeeded(self, login: LoginAttempt) -> None:
        """Forget the account's failures. Raises ApiError 429 where it is over a limit by now."""
        found = await self._store.read_attempts(list(login.buckets))
        self._refuse(login, found, spare=0)
        mine = [bucket for bucket in (login.pair[0], login.account[0]) if bucket in found]
        if mine:
            await self._store.forget_attempts(mine)

    async def registering(self, registration: RegistrationAttempt) -> None:
        """Count a registration. Raises ApiError 429 past a limit."""
        self._refuse(registration, await self._count(registration), spare=1)

    async def _count(self, attempt: Attempt) -> dict[bytes, Attempts]:
        windows = {bucket: limit.window_s for bucket, limit in attempt.buckets.items()}
        return await self._store.count_attempts(windows)

    def _refuse(self, attempt: Attempt, found: dict[bytes, Attempts], *, spare: int) -> None:
        """Raise where a bucket holds its limit and `spare` more, until the last window ends."""
        limits = attempt.buckets
        waits = [
            attempts.ends_in_s
            for bucket, attempts in found.items()
            if attempts.count >= limits[bucket].attempts_max + spare
        ]
        if waits:
            raise _too_many(max(waits))


def _account(email: str) -> str:
    """The one spelling of an email that PostgreSQL's lower() makes of all that it finds equal.

    Letter by letter, as it does: Python's lower() looks around (a last sigma) and adds letters (a
    dotted capital I), so that one account would have a count of its own for each spelling.
    """
    return "".join(letter.lower()[0] for letter in email.strip())


def _bucket(limit: Limit, subject: str) -> tuple[bytes, Limit]:
    text = f"{limit.name}\0{subject}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), limit


def _too_many(wait_s: float) -> ApiError:
    return rate_limited("Too many attempts; wait and try again", max(1, math.ceil(wait_s)))
