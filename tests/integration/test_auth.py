"""How admins register, log in, stay in and get out, on a real database."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from unittest.mock import Mock

import asyncpg
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient, make_mocked_request
from multidict import CIMultiDict

from db.admin_store import AdminStore
from db.audit_store import AuditStore
from db.database import Database
from db.refresh_store import RefreshStore
from db.throttle_store import ThrottleStore
from routes.auth.admin_auth import AdminAuth
from routes.auth.admin_tokens import AUDIENCE, ISSUER, AdminTokens
from routes.auth.client_address import ClientAddress
from routes.auth.passwords import Passwords
from routes.auth.roles import PERMISSIONS
from routes.auth.throttle import Limits, Throttle
from routes.contract.answers import LoggedIn, Registered
from routes.contract.bodies import Login, Registration
from routes.contract.errors import ApiError
from routes.contract.fields import read_body

SECRET = "0123456789abcdef0123456789abcdef"
PASSWORD = "correct horse"
PROXY = ("10.0.0.1", 4711)


class Outcomes:
    """Remembers the logins that were observed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def login(self, outcome: str) -> None:
        """Remember one."""
        self.seen.append(outcome)


class Service:
    """An `AdminAuth` on a database, and what a test wants to know of both."""

    def __init__(self, database: Database, url: str, **changed: Any) -> None:
        self.url = url
        self.outcomes = Outcomes()
        limits = changed.pop("limits", None)
        parts: dict[str, Any] = {
            "admins": AdminStore(database),
            "refreshes": RefreshStore(database),
            "audit": AuditStore(database),
            "tokens": AdminTokens(SECRET),
            "passwords": Passwords(cost=4, waiting_max=200),
            "throttle": Throttle(ThrottleStore(database), limits),
            "observer": self.outcomes,
            "addresses": ClientAddress([ip_network("10.0.0.0/8")]),
        }
        self.auth = AdminAuth(**{**parts, **changed})

    async def register(
        self, email: str = "ada@x.io", bearer: str | None = None, **fields: Any
    ) -> Registered:
        """Register, with defaults."""
        body = {"email": email, "password": PASSWORD, "name": "Ada", **fields}
        registration = read_body(Registration, body)
        return await self.auth.register(registration, request(bearer=bearer), "req-1")

    async def login(
        self, email: str = "ada@x.io", password: str = PASSWORD, address: str = "192.0.2.1"
    ) -> LoggedIn:
        """Log in from an address."""
        login = read_body(Login, {"email": email, "password": password})
        return await self.auth.login(login, request(address=address), "req-2")

    async def create(self, role: str, email: str | None = None) -> LoggedIn:
        """An admin of any role, logged in."""
        body = {"email": email or f"{role}@x.io", "password": PASSWORD, "name": "Ada"}
        await self.auth.create_admin(read_body(Registration, {**body, "role": role}))
        return await self.login(body["email"])

    async def sql(self, statement: str, *args: object) -> list[asyncpg.Record]:
        """Run a statement by hand."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *args)
            return rows
        finally:
            await connection.close()

    async def content(self) -> dict[str, list[Any]]:
        """All that the auth tables hold but for the counts."""
        tables = ("admins", "refresh_families", "refresh_tokens", "admin_audit")
        return {
            table: [tuple(row) for row in await self.sql(f"SELECT * FROM {table} ORDER BY 1")]
            for table in tables
        }

    async def windows_end(self) -> None:
        """Let the throttle's windows pass."""
        await self.sql("UPDATE auth_attempts SET window_ends_at = now() - interval '1 s'")


def request(*, bearer: str | None = None, address: str = "192.0.2.1") -> web.Request:
    """A request of a client, through a trusted proxy."""
    transport = Mock()
    transport.get_extra_info.side_effect = lambda name, default=None: (
        PROXY if name == "peername" else default
    )
    headers = CIMultiDict({"X-Forwarded-For": address})
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    return make_mocked_request("POST", "/", headers, transport=transport)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database, opened."""
    async with Database(database_url) as opened:
        yield opened


@pytest.fixture
async def service(database: Database, database_url: str) -> AsyncIterator[Service]:
    """A service with the usual settings."""
    made = Service(database, database_url)
    yield made
    await made.auth.close()


async def refusal_of(awaitable: Any) -> ApiError:
    """The ApiError that `awaitable` raises."""
    with pytest.raises(ApiError) as raised:
        await awaitable
    return raised.value


async def statuses(awaitables: list[Any]) -> Counter[int]:
    """How often all of them at once ended in each status; 200 is any success."""
    ended = await asyncio.gather(*awaitables, return_exceptions=True)
    for end in ended:
        if isinstance(end, BaseException) and not isinstance(end, ApiError):
            raise end
    return Counter(end.status if isinstance(end, ApiError) else 200 for end in ended)


# Registration


async def test_a_registered_admin_is_logged_in(service: Service) -> None:
    answer = await service.register("Ada@X.io", phone_number="+14155550100")
    assert (answer.email, answer.name) == ("Ada@X.io", "Ada")
    admin = await service.auth.authenticate(request(bearer=answer.access_token))
    assert (admin.admin_id, admin.role) == (answer.admin_id, "event_manager")
    assert admin.permissions == PERMISSIONS["event_manager"]
    await service.auth.refresh(answer.refresh_token, "req-3")


async def test_an_email_belongs_to_one_admin_whatever_its_case(service: Service) -> None:
    await service.register("ada@x.io")
    before = await service.content()
    refusal = await refusal_of(service.register(" ADA@X.IO "))
    assert (refusal.status, refusal.code) == (409, "EMAIL_ALREADY_EXISTS")
    assert "already exists" in refusal.message
    assert await service.content() == before


async def test_of_twenty_registrations_of_one_email_at_once_one_wins(service: Service) -> None:
    found = await statuses([service.register() for _ in range(20)])
    assert found == {200: 1, 409: 19}
    assert [len(rows) for rows in (await service.content()).values()] == [1, 1, 1, 1]


async def test_of_twenty_registrations_through_many_workers_one_wins(
    service: Service, database: Database, database_url: str
) -> None:
    workers = [Service(database, database_url) for _ in range(5)]
    spellings = ("ada@x.io", "ADA@x.io", " Ada@X.io ", "aDa@x.io")
    found = await statuses([w.register(email) for w in workers for email in spellings])
    assert found == {200: 1, 409: 19}
    assert [len(rows) for rows in (await service.content()).values()] == [1, 1, 1, 1]
    for worker in workers:
        await worker.auth.close()


@pytest.mark.parametrize("role", ["event_manager", "admin"])
async def test_anybody_may_register_in_a_usual_role(service: Service, role: str) -> None:
    answer = await service.register(role=role)
    admin = await service.auth.authenticate(request(bearer=answer.access_token))
    assert admin.role == role


@pytest.mark.parametrize("caller", [None, "event_manager", "admin"])
async def test_only_a_super_admin_registers_a_super_admin(
    service: Service, caller: str | None
) -> None:
    bearer = (await service.create(caller)).access_token if caller else None
    before = await service.content()
    refusal = await refusal_of(service.register(role="super_admin", bearer=bearer))
    assert (refusal.status, refusal.code) == (403, "UNAUTHORIZED")
    assert await service.content() == before


async def test_a_super_admin_registers_a_super_admin(service: Service) -> None:
    caller = await service.create("super_admin")
    answer = await service.register(role="super_admin", bearer=caller.access_token)
    admin = await service.auth.authenticate(request(bearer=answer.access_token))
    assert admin.any_owner
    audited = await service.sql(
        "SELECT caller, request_id, details FROM admin_audit ORDER BY audit_id DESC LIMIT 1"
    )
    assert audited[0]["caller"] == f"admin:{caller.admin_id}"
    assert audited[0]["request_id"] == "req-1"
    assert json.loads(audited[0]["details"]) == {"role": "super_admin"}


async def test_a_bad_token_registers_no_super_admin(service: Service) -> None:
    refusal = await refusal_of(service.register(role="super_admin", bearer="a.b.c"))
    assert refusal.status == 401


@pytest.mark.parametrize(
    ("caller", "status"),
    [(None, 403), ("event_manager", 403), ("admin", 200), ("super_admin", 200)],
)
async def test_closed_registration_takes_an_admin(
    database: Database, database_url: str, caller: str | None, status: int
) -> None:
    service = Service(database, database_url, registration_open=False)
    bearer = (await service.create(caller)).access_token if caller else None
    assert await statuses([service.register(bearer=bearer)]) == {status: 1}
    await service.auth.close()


async def test_what_a_client_may_not_say_of_itself_is_not_heard(service: Service) -> None:
    answer = await service.register(
        permissions=["events:any_owner"], is_active=False, admin_id="1", is_superuser=True
    )
    admin = await service.auth.authenticate(request(bearer=answer.access_token))
    assert admin.permissions == PERMISSIONS["event_manager"]


@pytest.mark.parametrize("password", ["short", "x" * 73, "ü" * 37, "a\0" * 8])
async def test_a_password_that_bcrypt_cannot_hash_is_refused(
    service: Service, password: str
) -> None:
    refusal = await refusal_of(service.register(password=password))
    assert (refusal.status, refusal.details["fields"][0]["field"]) == (400, "body.password")


@pytest.mark.parametrize("password", ["x" * 8, "x" * 72, "ü" * 36, "p" * 71 + " "])
async def test_a_password_at_the_bounds_logs_in(service: Service, password: str) -> None:
    await service.register(password=password)
    await service.login(password=password)
    assert (await refusal_of(service.login(password=password[:-1] + "?"))).status == 401


async def test_the_command_line_creates_any_role_and_no_email_twice(service: Service) -> None:
    assert (await service.create("super_admin")).role == "super_admin"
    refusal = await refusal_of(service.create("admin", "SUPER_admin@x.io"))
    assert refusal.code == "EMAIL_ALREADY_EXISTS"


async def test_nothing_secret_is_stored(service: Service) -> None:
    answer = await service.register()
    await refusal_of(service.login(password="my-other-password"))
    rotated = await service.auth.refresh(answer.refresh_token, "req-3")
    await refusal_of(service.auth.refresh(answer.refresh_token, "req-4"))
    kept = str(await service.content()) + str(await service.sql("SELECT * FROM auth_attempts"))
    secrets = (answer.refresh_token, rotated.refresh_token, answer.access_token)
    for secret in (*secrets, PASSWORD, "my-other-password"):
        assert secret not in kept
    digest = hashlib.sha256(rotated.refresh_token.encode()).digest()
    assert str(digest) in kept


# Login


async def test_the_right_password_gives_tokens_role_and_permissions(service: Service) -> None:
    registered = await service.register(role="admin")
    answer = await service.login("ADA@x.io ")
    assert (answer.admin_id, answer.role) == (registered.admin_id, "admin")
    assert answer.permissions == list(PERMISSIONS["admin"])
    await service.auth.authenticate(request(bearer=answer.access_token))
    assert service.outcomes.seen == ["succeeded"]


WRONG = {
    "a wrong password": ("ada@x.io", "incorrect horse"),
    "an unknown email": ("eve@x.io", PASSWORD),
    "an email that is none": ("%", PASSWORD),
    "an email with NUL": ("ada@x.io\0", PASSWORD),
    "a long email": ("a" * 1000, PASSWORD),
    "SQL": ("' OR 1=1 --", PASSWORD),
    "73 bytes": ("ada@x.io", "x" * 73),
    "NUL": ("ada@x.io", PASSWORD + "\0"),
    "a disabled admin": ("off@x.io", PASSWORD),
}


@pytest.mark.parametrize(("email", "password"), WRONG.values(), ids=WRONG.keys())
async def test_every_wrong_login_gets_the_same_answer(
    service: Service, email: str, password: str
) -> None:
    await service.register()
    await service.register("off@x.io")
    await service.sql("UPDATE admins SET is_active = false WHERE email = 'off@x.io'")
    before = await service.content()
    refusal = await refusal_of(service.login(email, password))
    assert (refusal.status, refusal.code) == (401, "UNAUTHORIZED")
    assert (refusal.message, refusal.details) == ("Email or password is wrong", {})
    assert refusal.headers == {"WWW-Authenticate": "Bearer"}
    assert await service.content() == before
    assert service.outcomes.seen == ["failed"]


@pytest.mark.parametrize(("email", "password"), WRONG.values(), ids=WRONG.keys())
async def test_every_wrong_login_costs_one_hash(
    database: Database, database_url: str, email: str, password: str
) -> None:
    class Counting(Passwords):
        checked = 0

        async def matches(self, password: str, stored: str | None) -> bool:
            self.checked += 1
            return await super().matches(password, stored)

    counting = Counting(cost=4)
    service = Service(database, database_url, passwords=counting)
    await service.register()
    await refusal_of(service.login(email, password))
    assert counting.checked == 1
    await service.auth.close()


async def test_after_ten_failures_the_account_waits(service: Service) -> None:
    await service.register()
    refusals = [await refusal_of(service.login(password="wrong")) for _ in range(50)]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429] * 40
    assert all(0 < int(refusal.headers["Retry-After"]) <= 900 for refusal in refusals[10:])
    assert (await refusal_of(service.login())).status == 429
    assert Counter(service.outcomes.seen) == {"failed": 10, "throttled": 41}


async def test_after_the_window_the_right_password_works(service: Service) -> None:
    await service.register()
    await statuses([service.login(password="wrong") for _ in range(12)])
    assert (await refusal_of(service.login())).status == 429
    await service.windows_end()
    await service.login()


async def test_an_unknown_account_waits_like_a_known_one(service: Service) -> None:
    refusals = [await refusal_of(service.login("eve@x.io", "wrong")) for _ in range(11)]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429]


async def test_another_case_of_the_email_is_the_same_account(service: Service) -> None:
    emails = ("ada@x.io", "ADA@x.io", " ada@X.IO ") * 4
    refusals = [await refusal_of(service.login(email, "wrong")) for email in emails]
    assert [refusal.status for refusal in refusals] == [401] * 10 + [429] * 2


async def test_letters_that_the_database_takes_for_one_are_the_same_account(
    service: Service,
) -> None:
    # A dotted capital I and a Kelvin sign are in no way ASCII, until they are written small.
    registered = await service.register("kiki@x.io")
    spellings = ("kiki@x.io", "k\u0130ki@x.io", "\u212aik\u0130@X.IO")
    for spelling in spellings:
        assert (await service.login(spelling)).admin_id == registered.admin_id
    found = [await refusal_of(service.login(email, "wrong")) for email in spellings * 5]
    assert [refusal.status for refusal in found] == [401] * 10 + [429] * 5
    found = [await refusal_of(service.login("\u03b1\u03a3@x.io", "wrong")) for _ in range(5)]
    found += [await refusal_of(service.login("\u0391\u03c3@x.io", "wrong")) for _ in range(6)]
    assert [refusal.status for refusal in found] == [401] * 10 + [429]


async def test_every_worker_sees_the_failures(
    service: Service, database: Database, database_url: str
) -> None:
    other = Service(database, database_url)
    for _ in range(5):
        await refusal_of(service.login(password="wrong"))
        await refusal_of(other.login(password="wrong"))
    assert (await refusal_of(other.login())).status == 429
    await other.auth.close()


async def test_failures_elsewhere_do_not_lock_the_admin_out(service: Service) -> None:
    await service.register()
    await statuses([service.login(password="wrong", address="203.0.113.7") for _ in range(15)])
    await service.login(address="192.0.2.1")


async def test_failures_from_many_addresses_do(service: Service) -> None:
    await service.register()
    for host in range(30):
        await refusal_of(service.login(password="wrong", address=f"203.0.113.{host}"))
    assert (await refusal_of(service.login())).status == 429


async def test_one_address_may_not_try_every_account(database: Database, database_url: str) -> None:
    limits = Limits(address=replace(Limits().address, attempts_max=5))
    service = Service(database, database_url, limits=limits)
    await service.register()
    refusals = [await refusal_of(service.login(f"e{n}@x.io", "wrong")) for n in range(6)]
    assert [refusal.status for refusal in refusals] == [401] * 5 + [429]
    assert (await refusal_of(service.login())).status == 429
    await service.login(address="203.0.113.7")
    await service.auth.close()


async def test_a_client_that_writes_addresses_itself_is_one_client(
    database: Database, database_url: str
) -> None:
    """Whether or not there is a proxy to believe: what stands left of its word says nothing."""
    untrusting = Service(database, database_url, addresses=ClientAddress())
    behind = Service(database, database_url)
    for service, spoofed in ((untrusting, "203.0.113.{}"), (behind, "203.0.113.{}, 192.0.2.9")):
        for number in range(10):
            refusal = await refusal_of(
                service.login("eve@x.io", "wrong", address=spoofed.format(number))
            )
            assert refusal.status == 401
        refusal = await refusal_of(service.login("eve@x.io", address=spoofed.format(99)))
        assert refusal.status == 429
        await service.auth.close()


async def test_all_of_an_ipv6_network_is_one_client(service: Service) -> None:
    found = [
        await refusal_of(service.login("eve@x.io", "wrong", address=f"2001:db8:1:2:{host:x}::1"))
        for host in range(11)
    ]
    assert [refusal.status for refusal in found] == [401] * 10 + [429]
    other = await refusal_of(service.login("eve@x.io", "wrong", address="2001:db8:1:3::1"))
    assert other.status == 401


async def test_a_refused_try_is_no_guess(service: Service) -> None:
    for _ in range(40):
        await refusal_of(service.login(password="wrong"))
    counts = await service.sql("SELECT attempts FROM auth_attempts")
    assert [row["attempts"] for row in counts] == [10, 10, 10]


async def test_a_login_clears_the_failures_of_its_account_and_not_the_address(
    service: Service,
) -> None:
    await service.register()
    for _ in range(9):
        await refusal_of(service.login(password="wrong"))
    await service.login()
    for _ in range(9):
        await refusal_of(service.login(password="wrong"))
    await service.login()
    counts = await service.sql("SELECT attempts FROM auth_attempts ORDER BY attempts DESC")
    assert counts[0]["attempts"] == 18


async def test_guesses_at_once_are_no_more_than_one_after_the_other(service: Service) -> None:
    await service.register()
    guesses = [service.login(password=f"wrong {n}") for n in range(40)]
    assert await statuses(guesses) == {401: 10, 429: 30}
    assert (await refusal_of(service.login())).status == 429


async def test_a_burst_of_failures_is_noted_once(service: Service) -> None:
    registered = await service.register()
    for _ in range(20):
        await refusal_of(service.login(password="wrong"))
    noted = await service.sql("SELECT * FROM admin_audit WHERE action = 'login_throttled'")
    assert [(str(row["subject_id"]), row["request_id"]) for row in noted] == [
        (registered.admin_id, "req-2")
    ]
    assert json.loads(noted[0]["details"]) == {
        "limit": "login-account-address",
        "failures": 10,
        "address": "192.0.2.1",
    }


async def test_a_hundred_logins_at_once_are_bounded(database: Database, database_url: str) -> None:
    service = Service(database, database_url, passwords=Passwords(cost=4, waiting_max=4))
    await service.register()
    found = await statuses([service.login() for _ in range(100)])
    assert set(found) <= {200, 429}
    assert found[200] >= 4
    await service.login()
    await service.auth.close()


async def test_registrations_of_one_email_are_throttled(
    database: Database, database_url: str
) -> None:
    limits = Limits()
    limits = replace(
        limits, registration_account=replace(limits.registration_account, attempts_max=3)
    )
    service = Service(database, database_url, limits=limits)
    ended = [await statuses([service.register()]) for _ in range(5)]
    assert ended == [{200: 1}, {409: 1}, {409: 1}, {429: 1}, {429: 1}]
    await service.register("eve@x.io")
    await service.auth.close()


async def test_registrations_from_one_address_are_throttled(
    database: Database, database_url: str
) -> None:
    limits = Limits()
    limits = replace(
        limits, registration_address=replace(limits.registration_address, attempts_max=3)
    )
    service = Service(database, database_url, limits=limits)
    ended = [await statuses([service.register(f"a{n}@x.io")]) for n in range(5)]
    assert ended == [{200: 1}, {200: 1}, {200: 1}, {429: 1}, {429: 1}]
    await service.windows_end()
    await service.register("late@x.io")
    await service.auth.close()


async def test_ended_windows_are_pruned(service: Service) -> None:
    for number in range(5):
        await refusal_of(service.login(f"e{number}@x.io", "wrong"))
    await service.windows_end()
    await refusal_of(service.login("last@x.io", "wrong"))
    assert len(await service.sql("SELECT FROM auth_attempts")) == 3


# Refresh and logout


async def test_a_refresh_token_gives_the_next_pair(service: Service) -> None:
    first = await service.register()
    second = await service.auth.refresh(first.refresh_token, "req-3")
    admin = await service.auth.authenticate(request(bearer=second.access_token))
    assert admin.admin_id == first.admin_id
    third = await service.auth.refresh(second.refresh_token, "req-4")
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_a_used_token_that_comes_back_revokes_its_family_and_no_other(
    service: Service,
) -> None:
    first = await service.register()
    other = await service.login()
    second = await service.auth.refresh(first.refresh_token, "req-3")
    refusals = [
        await refusal_of(service.auth.refresh(token, "req-4"))
        for token in (first.refresh_token, second.refresh_token, first.refresh_token)
    ]
    assert [refusal.status for refusal in refusals] == [401, 401, 401]
    await service.auth.refresh(other.refresh_token, "req-5")
    noted = await service.sql("SELECT * FROM admin_audit WHERE action = 'refreshes_revoked'")
    assert [(str(row["subject_id"]), row["request_id"]) for row in noted] == [
        (first.admin_id, "req-4")
    ]


async def test_of_eight_uses_at_once_one_wins_and_keeps_what_it_won(service: Service) -> None:
    first = await service.register()
    ended = await asyncio.gather(
        *(service.auth.refresh(first.refresh_token, "req-3") for _ in range(8)),
        return_exceptions=True,
    )
    won = [end for end in ended if not isinstance(end, BaseException)]
    lost = [end.status for end in ended if isinstance(end, ApiError)]
    assert (len(won), lost) == (1, [401] * 7)
    second = await service.auth.refresh(won[0].refresh_token, "req-4")
    await refusal_of(service.auth.refresh(first.refresh_token, "req-5"))
    assert (await refusal_of(service.auth.refresh(second.refresh_token, "req-6"))).status == 401


async def test_of_eight_uses_at_once_through_eight_workers_one_wins(
    service: Service, database: Database, database_url: str
) -> None:
    first = await service.register()
    workers = [Service(database, database_url) for _ in range(8)]
    found = await statuses([w.auth.refresh(first.refresh_token, "req-3") for w in workers])
    assert found == {200: 1, 401: 7}
    assert len((await service.content())["refresh_tokens"]) == 2
    for worker in workers:
        await worker.auth.close()


async def test_a_refresh_that_is_given_up_does_not_block_the_next(service: Service) -> None:
    first = await service.register()
    refreshing = asyncio.ensure_future(service.auth.refresh(first.refresh_token, "req-3"))
    await asyncio.sleep(0)
    refreshing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refreshing
    assert service.auth._refreshing == set()


async def test_an_expired_token_is_refused(service: Service) -> None:
    first = await service.register()
    await service.sql("UPDATE refresh_tokens SET expires_at = now()")
    before = await service.content()
    assert (await refusal_of(service.auth.refresh(first.refresh_token, "req-3"))).status == 401
    assert await service.content() == before


async def test_a_token_lasts_its_time_to_live(database: Database, database_url: str) -> None:
    service = Service(database, database_url, refresh_ttl_s=3600)
    first = await service.register()
    await service.auth.refresh(first.refresh_token, "req-3")
    rows = await service.sql(
        "SELECT t.expires_at - t.issued_at AS token, f.expires_at - t.issued_at AS family"
        "  FROM refresh_tokens t JOIN refresh_families f USING (family_id) WHERE used_at IS NULL"
    )
    assert [(row["token"].total_seconds(), row["family"].total_seconds()) for row in rows] == [
        (3600, 3600)
    ]
    await service.auth.close()


@pytest.mark.parametrize("change", ["UPDATE admins SET is_active = false", "DELETE FROM admins"])
async def test_who_may_not_log_in_may_not_refresh(service: Service, change: str) -> None:
    first = await service.register()
    await service.sql(change)
    assert (await refusal_of(service.auth.refresh(first.refresh_token, "req-3"))).status == 401


async def test_a_refresh_takes_the_role_of_now(service: Service) -> None:
    first = await service.register()
    await service.sql("UPDATE admins SET role = 'admin'")
    second = await service.auth.refresh(first.refresh_token, "req-3")
    claims = jwt.decode(second.access_token, options={"verify_signature": False})
    assert (claims["role"], claims["permissions"]) == ("admin", list(PERMISSIONS["admin"]))


NO_REFRESH_TOKENS = ["", "x", "A" * 43, "A" * 44, "A" * 42 + "+", "\udcff" * 43, "A" * 1000, "\0"]


@pytest.mark.parametrize("token", NO_REFRESH_TOKENS, ids=range(len(NO_REFRESH_TOKENS)))
async def test_what_is_no_refresh_token_is_refused(service: Service, token: str) -> None:
    for use in (service.auth.refresh, service.auth.logout):
        refusal = await refusal_of(use(token, "req-3"))
        assert (refusal.status, refusal.headers) == (401, {"WWW-Authenticate": "Bearer"})


async def test_neither_token_passes_for_the_other(service: Service) -> None:
    first = await service.register()
    assert (await refusal_of(service.auth.refresh(first.access_token, "req-3"))).status == 401
    refusal = await refusal_of(service.auth.authenticate(request(bearer=first.refresh_token)))
    assert refusal.status == 401
    await service.auth.refresh(first.refresh_token, "req-4")


async def test_logout_ends_this_login_and_no_other(service: Service) -> None:
    first = await service.register()
    other = await service.login()
    second = await service.auth.refresh(first.refresh_token, "req-3")
    assert (await service.auth.logout(second.refresh_token, "req-4")).message == "Logged out"
    assert (await refusal_of(service.auth.refresh(second.refresh_token, "req-5"))).status == 401
    await service.auth.refresh(other.refresh_token, "req-6")


async def test_logout_twice_is_as_good_as_once(service: Service) -> None:
    first = await service.register()
    await service.auth.logout(first.refresh_token, "req-3")
    before = await service.content()
    await service.auth.logout(first.refresh_token, "req-4")
    assert await service.content() == before


async def test_what_expired_is_pruned(service: Service) -> None:
    first = await service.register()
    second = await service.auth.refresh(first.refresh_token, "req-3")
    await service.sql("UPDATE refresh_tokens SET expires_at = now() WHERE used_at IS NOT NULL")
    await service.auth.refresh(second.refresh_token, "req-4")
    assert len(await service.sql("SELECT FROM refresh_tokens")) == 2
    await service.sql("UPDATE refresh_families SET expires_at = now()")
    await service.login()
    content = await service.content()
    assert (len(content["refresh_families"]), len(content["refresh_tokens"])) == (1, 1)


async def test_a_family_that_was_revoked_while_it_rotated_stays_revoked(service: Service) -> None:
    first = await service.register()
    ended = await asyncio.gather(
        service.auth.refresh(first.refresh_token, "req-3"),
        service.auth.logout(first.refresh_token, "req-4"),
        return_exceptions=True,
    )
    for end in ended:
        token = getattr(end, "refresh_token", first.refresh_token)
        assert (await refusal_of(service.auth.refresh(token, "req-5"))).status == 401


async def test_what_was_done_to_an_admin_is_noted_once(service: Service) -> None:
    first = await service.register()
    second = await service.auth.refresh(first.refresh_token, "req-3")
    await service.auth.logout(second.refresh_token, "req-4")
    await service.auth.logout(second.refresh_token, "req-5")
    await refusal_of(service.auth.refresh(first.refresh_token, "req-6"))
    rows = await service.sql("SELECT * FROM admin_audit ORDER BY audit_id")
    assert [
        (row["action"], row["caller"], row["request_id"], str(row["subject_id"])) for row in rows
    ] == [
        ("admin_registered", "anonymous", "req-1", first.admin_id),
        ("refreshes_revoked", f"admin:{first.admin_id}", "req-4", first.admin_id),
    ]
    assert json.loads(rows[0]["details"]) == {"role": "event_manager"}
    assert json.loads(rows[1]["details"])["reason"] == "logout"
    assert all(row["recorded_at"] is not None for row in rows)


# Bearer tokens


HEADERS = {
    "none": None,
    "empty": "",
    "the scheme alone": "Bearer",
    "the scheme and a blank": "Bearer ",
    "another scheme": "Basic {}",
    "a longer scheme": "BearerFOO {}",
    "no scheme": "{}",
    "no blank": "Bearer{}",
    "a tab": "Bearer\t{}",
    "two tokens": "Bearer {} {}",
    "a list": "Bearer {}, Bearer {}",
    "a parameter": "Bearer token={}",
    "a byte that is no text": "Bearer \udcff",
    "a megabyte": "Bearer " + "a" * 1_000_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
async def test_what_is_no_bearer_token_is_401(service: Service, header: str | None) -> None:
    token = (await service.register()).access_token
    headers = {} if header is None else {"Authorization": header.replace("{}", token)}
    refusal = await refusal_of(service.auth.authenticate(Mock(headers=CIMultiDict(headers))))
    assert (refusal.status, refusal.code) == (401, "UNAUTHORIZED")
    wanted = "Bearer" if header is None else 'Bearer error="invalid_token"'
    assert refusal.headers == {"WWW-Authenticate": wanted}


async def test_the_schemes_case_does_not_matter(service: Service) -> None:
    token = (await service.register()).access_token
    for scheme in ("bearer", "BEARER", "Bearer"):
        headers = CIMultiDict({"Authorization": f"{scheme} {token}"})
        await service.auth.authenticate(make_mocked_request("GET", "/", headers))


async def test_two_bearer_tokens_are_400(service: Service) -> None:
    token = (await service.register()).access_token
    headers = CIMultiDict([("Authorization", f"Bearer {token}")] * 2)
    refusal = await refusal_of(service.auth.authenticate(make_mocked_request("GET", "/", headers)))
    assert refusal.status == 400


@pytest.mark.parametrize("change", ["UPDATE admins SET is_active = false", "DELETE FROM admins"])
async def test_a_disabled_or_deleted_admin_is_out_at_once(service: Service, change: str) -> None:
    token = (await service.register()).access_token
    await service.auth.authenticate(request(bearer=token))
    await service.sql(change)
    refusal = await refusal_of(service.auth.authenticate(request(bearer=token)))
    assert (refusal.status, "WWW-Authenticate" in refusal.headers) == (401, True)


async def test_a_role_is_the_one_of_now_and_not_the_tokens(service: Service) -> None:
    token = (await service.create("super_admin")).access_token
    await service.sql("UPDATE admins SET role = 'event_manager'")
    admin = await service.auth.authenticate(request(bearer=token))
    assert (admin.role, admin.any_owner) == ("event_manager", False)
    assert admin.permissions == PERMISSIONS["event_manager"]


FORGED: dict[str, dict[str, Any]] = {
    "another secret": {"key": "fedcba9876543210fedcba9876543210"},
    "HS512": {"key": SECRET * 2, "algorithm": "HS512"},
    "none": {"key": "", "algorithm": "none"},
    "a kid": {"headers": {"kid": "1"}},
    "a jku": {"headers": {"jku": "https://example.org"}},
    "no exp": {"exp": None},
    "expired": {"exp": 1},
    "an odd exp": {"exp": "9999999999"},
    "another audience": {"aud": "evently-customer"},
    "another issuer": {"iss": "users"},
    "nbf ahead": {"nbf": 9_999_999_999},
    "a customer": {"role": "customer"},
    "nobody": {"sub": "00000000-0000-0000-0000-000000000000"},
}


def token_of(admin_id: str, **changed: Any) -> str:
    """A token that is good but for what is changed."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": admin_id,
        "role": "event_manager",
        "permissions": [],
        "iss": ISSUER,
    }
    claims |= {"aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "1"}
    with_key: dict[str, Any] = {"key": SECRET, "algorithm": "HS256", "headers": None}
    for name, to in changed.items():
        (with_key if name in with_key else claims)[name] = to
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, **with_key)


async def test_a_token_made_by_the_book_is_good(service: Service) -> None:
    admin_id = (await service.register()).admin_id
    await service.auth.authenticate(request(bearer=token_of(admin_id)))


@pytest.mark.parametrize("changed", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_token_is_401(service: Service, changed: dict[str, Any]) -> None:
    admin_id = (await service.register()).admin_id
    token = token_of(admin_id, **changed)
    refusal = await refusal_of(service.auth.authenticate(request(bearer=token)))
    assert (refusal.status, "WWW-Authenticate" in refusal.headers) == (401, True)


async def test_a_request_of_the_low_level_server_is_read_like_any_other(service: Service) -> None:
    token = (await service.register()).access_token

    async def answer(given: web.BaseRequest) -> web.Response:
        try:
            return web.Response(text=(await service.auth.authenticate(given)).role)
        except ApiError as error:
            return web.Response(status=error.status, text=error.message)

    client: TestClient[web.BaseRequest, None] = TestClient(RawTestServer(answer))
    async with client:
        for method in ("GET", "OPTIONS"):
            good = {"Authorization": f"Bearer {token}"}
            async with client.request(method, "/", headers=good) as response:
                assert (response.status, await response.text()) == (200, "event_manager")
            async with client.request(method, "/") as response:
                assert response.status == 401
