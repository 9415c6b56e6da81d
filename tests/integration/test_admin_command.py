"""The commands `admin ...` against a real database."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import bcrypt
import pytest
from click.testing import CliRunner, Result

from evently.commands import admin as admin_commands
from evently.commands.admin import admin

PASSWORD = "correct horse battery"


def run(url: str, *arguments: str, given: str = f"{PASSWORD}\n") -> Result:
    """Run `admin create` with `given` on stdin."""
    return run_admin(url, "create", *arguments, given=given)


def run_admin(url: str, *arguments: str, given: str = "") -> Result:
    """Run a command about admins."""
    environ = {
        "EVENTLY_DATABASE_URL": url,
        "EVENTLY_JWT_SECRET": "dqvWbn2Ys0qkRZfNFtE7yXlP4uJc9oAh",
        "EVENTLY_INTERNAL_API_KEYS": "test:1234567890abcdefgh",
    }
    return CliRunner(env=environ).invoke(admin, arguments, input=given)


ADA = ("--email", "ada@example.org", "--name", "Ada")


def admins(url: str) -> "list[asyncpg.Record]":
    """All admins there are."""

    async def fetch() -> "list[asyncpg.Record]":
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch("SELECT * FROM admins ORDER BY created_at"))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_an_admin_is_created_who_can_log_in(database_url: str) -> None:
    result = run(database_url, *ADA)
    assert result.exit_code == 0, result.output
    (row,) = admins(database_url)
    assert str(row["admin_id"]) == str(UUID(result.stdout.strip()))
    assert (row["email"], row["name"], row["role"]) == ("ada@example.org", "Ada", "event_manager")
    assert (row["phone_number"], row["is_active"]) == (None, True)
    assert bcrypt.checkpw(PASSWORD.encode(), row["password_hash"].encode())


@pytest.mark.parametrize("role", ["event_manager", "admin", "super_admin"])
def test_any_role_can_be_given(database_url: str, role: str) -> None:
    result = run(database_url, *ADA, "--role", role, "--phone-number", "+14155550100")
    assert result.exit_code == 0, result.output
    (row,) = admins(database_url)
    assert (row["role"], row["phone_number"]) == (role, "+14155550100")


def test_the_audit_has_who_created_an_admin(database_url: str) -> None:
    admin_id = run(database_url, *ADA, "--role", "super_admin").stdout.strip()

    async def audited() -> "asyncpg.Record | None":
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchrow("SELECT * FROM admin_audit")
        finally:
            await connection.close()

    row = asyncio.run(audited())
    assert row is not None
    assert (row["action"], row["caller"]) == ("admin_registered", "command line")
    assert str(row["subject_id"]) == admin_id


def audited(url: str, action: str) -> "list[asyncpg.Record]":
    """All audit entries of an action."""

    async def fetch() -> "list[asyncpg.Record]":
        connection = await asyncpg.connect(url)
        try:
            sql = "SELECT * FROM admin_audit WHERE action = $1 ORDER BY audit_id"
            return list(await connection.fetch(sql, action))
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_changed_role_is_audited_with_the_previous_one(database_url: str) -> None:
    admin_id = run(database_url, *ADA).stdout.strip()
    assert run(database_url, "--email", "eve@example.org", "--name", "Eve").exit_code == 0
    result = run_admin(database_url, "role", "--email", "ADA@example.org", "--role", "admin")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == "ADA@example.org: event_manager -> admin"
    assert [row["role"] for row in admins(database_url)] == ["admin", "event_manager"]
    (row,) = audited(database_url, "role_changed")
    assert (str(row["subject_id"]), row["caller"]) == (admin_id, "command line")
    assert json.loads(row["details"]) == {"from": "event_manager", "to": "admin"}
    assert row["recorded_at"] is not None


def test_the_current_role_is_no_change(database_url: str) -> None:
    run(database_url, *ADA)
    before = admins(database_url)
    result = run_admin(
        database_url, "role", "--email", "ada@example.org", "--role", "event_manager"
    )
    assert result.exit_code == 0, result.output
    assert admins(database_url) == before
    assert audited(database_url, "role_changed") == []


def test_a_role_for_an_unknown_email_is_refused(database_url: str) -> None:
    run(database_url, *ADA)
    before = admins(database_url)
    result = run_admin(database_url, "role", "--email", "eve@example.org", "--role", "admin")
    assert result.exit_code == 1
    assert "no admin has the email eve@example.org" in result.output
    assert admins(database_url) == before
    assert audited(database_url, "role_changed") == []


def test_all_admins_are_listed_by_email(database_url: str) -> None:
    assert run_admin(database_url, "list").stdout == ""
    run(database_url, "--email", "zoe@example.org", "--name", "Zoë Quinn", "--role", "admin")
    run(database_url, *ADA)
    run_admin(database_url, "deactivate", "--email", "ada@example.org")

    result = run_admin(database_url, "list")

    assert result.exit_code == 0, result.output
    today = datetime.now(UTC).date().isoformat()
    assert [line.split(maxsplit=4) for line in result.stdout.splitlines()] == [
        ["ada@example.org", "event_manager", "inactive", today, "Ada"],
        ["zoe@example.org", "admin", "active", today, "Zoë Quinn"],
    ]
    assert result.stderr.splitlines()[-1] == "2 admins"


def logins(url: str, *, revoked: bool) -> list[str]:
    """The emails of revoked logins, or of the others."""

    async def fetch() -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            rows = await connection.fetch(
                "SELECT email FROM refresh_families JOIN admins USING (admin_id)"
                " WHERE (revoked_at IS NOT NULL) = $1 ORDER BY email",
                revoked,
            )
            return [row["email"] for row in rows]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def log_in(url: str, admin_id: str, *, until: str) -> None:
    """Add a login that is valid until an SQL timestamp."""

    async def insert() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "INSERT INTO refresh_families (family_id, admin_id, expires_at)"
                f" VALUES (gen_random_uuid(), $1, {until})",
                admin_id,
            )
        finally:
            await connection.close()

    asyncio.run(insert())


@pytest.fixture
def ada_and_eve(database_url: str) -> str:
    """Ada has two valid logins and an expired one, Eve has a valid one; Ada's id."""
    ada = run(database_url, *ADA).stdout.strip()
    eve = run(database_url, "--email", "eve@example.org", "--name", "Eve").stdout.strip()
    for who, until in (
        (ada, "now() + interval '1 day'"),
        (ada, "now() + interval '1 hour'"),
        (ada, "now() - interval '1 second'"),
        (eve, "now() + interval '1 day'"),
    ):
        log_in(database_url, who, until=until)
    return ada


def test_deactivating_ends_all_logins_and_is_audited(database_url: str, ada_and_eve: str) -> None:
    result = run_admin(database_url, "deactivate", "--email", " ADA@example.org")

    assert result.exit_code == 0, result.output
    assert [row["is_active"] for row in admins(database_url)] == [False, True]
    assert logins(database_url, revoked=True) == ["ada@example.org"] * 2
    assert "eve@example.org" in logins(database_url, revoked=False)
    (row,) = audited(database_url, "admin_deactivated")
    assert (str(row["subject_id"]), row["caller"]) == (ada_and_eve, "command line")
    assert json.loads(row["details"]) == {"logins_ended": 2}


def test_deactivating_again_changes_nothing_and_says_so(
    database_url: str, ada_and_eve: str
) -> None:
    first = run_admin(database_url, "deactivate", "--email", "ada@example.org")
    again = run_admin(database_url, "deactivate", "--email", "ada@example.org")

    assert first.stdout == "ada@example.org: is inactive\n"
    assert (again.exit_code, again.stdout) == (0, "ada@example.org: was already inactive\n")
    assert len(audited(database_url, "admin_deactivated")) == 1


def test_an_admin_activated_again_has_to_log_in_again(database_url: str, ada_and_eve: str) -> None:
    run_admin(database_url, "deactivate", "--email", "ada@example.org")
    result = run_admin(database_url, "activate", "--email", "ada@example.org")

    assert (result.exit_code, result.stdout) == (0, "ada@example.org: is active\n")
    assert [row["is_active"] for row in admins(database_url)] == [True, True]
    assert logins(database_url, revoked=True) == ["ada@example.org"] * 2
    (row,) = audited(database_url, "admin_activated")
    assert (str(row["subject_id"]), json.loads(row["details"])) == (
        ada_and_eve,
        {"logins_ended": 0},
    )


def test_changing_a_password_ends_all_logins(database_url: str, ada_and_eve: str) -> None:
    before = admins(database_url)
    result = run_admin(
        database_url, "password", "--email", "Ada@example.org", given="a new password\n"
    )

    assert result.exit_code == 0, result.output
    ada, eve = admins(database_url)
    assert bcrypt.checkpw(b"a new password", ada["password_hash"].encode())
    assert eve == before[1]
    assert logins(database_url, revoked=True) == ["ada@example.org"] * 2
    (row,) = audited(database_url, "password_changed")
    assert (str(row["subject_id"]), json.loads(row["details"])) == (
        ada_and_eve,
        {"logins_ended": 2},
    )
    assert "a new password" not in result.output


def test_an_invalid_password_changes_nothing(database_url: str, ada_and_eve: str) -> None:
    before = admins(database_url)
    result = run_admin(database_url, "password", "--email", "ada@example.org", given="short\n")

    assert result.exit_code == 1
    assert "nothing was changed:\n  password must be 8 to 72 bytes" in result.stderr
    assert admins(database_url) == before
    assert logins(database_url, revoked=True) == []


@pytest.mark.parametrize("command", ["deactivate", "activate", "password"])
def test_a_command_on_an_unknown_email_changes_nothing(
    database_url: str, ada_and_eve: str, command: str
) -> None:
    before = admins(database_url)
    result = run_admin(database_url, command, "--email", "bob@example.org", given=f"{PASSWORD}\n")

    assert result.exit_code == 1
    assert "no admin has the email bob@example.org" in result.stderr
    assert admins(database_url) == before
    assert logins(database_url, revoked=True) == []


def test_a_taken_email_is_refused_and_changes_nothing(database_url: str) -> None:
    assert run(database_url, *ADA).exit_code == 0
    before = admins(database_url)
    result = run(database_url, "--email", "ADA@example.org", "--name", "Eve")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "already exists" in result.stderr
    assert admins(database_url) == before


def test_every_invalid_field_is_a_line(database_url: str) -> None:
    result = run(
        database_url, "--email", "ada", "--name", " ", "--phone-number", "x", given="short\n"
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: no admin was created:",
        "  email must be an email address like ada@example.org",
        "  password must be 8 to 72 bytes in UTF-8, which is what bcrypt can hash",
        "  name is required",
        "  phone_number must be a phone number of 4 to 15 digits, like +1 415 555 0100",
    ]
    assert admins(database_url) == []


@pytest.mark.parametrize("given", ["", "\n"])
def test_without_a_password_there_is_no_admin(database_url: str, given: str) -> None:
    result = run(database_url, *ADA, given=given)
    assert result.exit_code == 1
    assert "password must be 8 to 72 bytes" in result.stderr
    assert admins(database_url) == []


@pytest.mark.parametrize("given", [f"{PASSWORD}\nsecond line\n", "x" * 5000])
def test_a_password_of_several_lines_is_refused(database_url: str, given: str) -> None:
    result = run(database_url, *ADA, given=given)
    assert result.exit_code == 1
    assert "must be one line" in result.stderr
    assert admins(database_url) == []


@pytest.mark.parametrize("given", [PASSWORD, f"{PASSWORD}\r\n"])
def test_the_end_of_the_line_is_not_part_of_the_password(database_url: str, given: str) -> None:
    assert run(database_url, *ADA, "--password-stdin", given=given).exit_code == 0
    (row,) = admins(database_url)
    assert bcrypt.checkpw(PASSWORD.encode(), row["password_hash"].encode())


def test_at_a_terminal_the_password_is_asked_for_twice(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_commands, "_at_a_terminal", lambda: True)
    result = run(database_url, *ADA, given=f"{PASSWORD}\n{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("Password: ") == 1
    assert "Repeat for confirmation: " in result.stderr
    assert PASSWORD not in result.output


def test_a_password_repeated_wrong_is_asked_for_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_commands, "_at_a_terminal", lambda: True)
    given = f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"
    assert run(database_url, *ADA, given=given).exit_code == 0
    (row,) = admins(database_url)
    assert bcrypt.checkpw(PASSWORD.encode(), row["password_hash"].encode())


def test_there_is_no_option_that_takes_a_password(database_url: str) -> None:
    result = run(database_url, *ADA, "--password", PASSWORD)
    assert result.exit_code == 2
    assert admins(database_url) == []


def test_an_unknown_role_is_a_usage_error(database_url: str) -> None:
    result = run(database_url, *ADA, "--role", "owner")
    assert result.exit_code == 2
    assert "event_manager" in result.stderr


def test_invalid_settings_are_reported_before_the_password_prompt() -> None:
    environ = {"EVENTLY_DATABASE_URL": "mysql://x", "EVENTLY_JWT_SECRET": "short"}
    result = CliRunner(env=environ).invoke(admin, ["create", *ADA], input="")
    assert result.exit_code == 1
    assert "EVENTLY_JWT_SECRET" in result.stderr
    assert "EVENTLY_DATABASE_URL" in result.stderr


def test_help_has_examples() -> None:
    shown = CliRunner().invoke(admin, ["--help"]).output
    assert "evently admin create --email ada@example.org" in shown
    for name in admin.commands:
        shown = CliRunner().invoke(admin, [name, "--help"]).output
        assert "Examples:" in shown
        assert f"evently admin {name}" in shown
