"""The commands `admin ...`: what an operator does to admins, who has the database anyway.

Rule: a password never stands on a command line, where every user of the machine and the shell's
history would read it; and what registration over HTTP refuses is refused here in the same words.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar, get_args

import click

from db.admin_store import AdminStore
from db.audit_store import AuditStore
from db.database import Database
from db.refresh_store import RefreshStore
from db.throttle_store import ThrottleStore
from evently.commands.database import command_database, telling_why
from evently.settings import Settings, load_settings
from routes.auth.admin_auth import COMMAND_LINE, AdminAuth, LoginOutcome
from routes.auth.admin_tokens import AdminTokens
from routes.auth.passwords import Passwords
from routes.auth.throttle import Throttle
from routes.contract.bodies import Password, Registration, Role
from routes.contract.errors import ApiError
from routes.contract.fields import Body, read_body

T = TypeVar("T")

# Whatever is longer than this is no password but a file piped in by mistake.
STDIN_MAX = 4096

ADMIN_HELP = """Manage admins.

\b
Examples:
  evently admin create --email ada@example.org --name Ada --role super_admin
  evently admin list
  evently admin role --email ada@example.org --role admin
  evently admin password --email ada@example.org
  evently admin deactivate --email ada@example.org
"""

LIST_HELP = """List all admins.

A line for each, by email: the role, whether he may log in, since when he is there, the name.

\b
Examples:
  evently admin list
"""

DEACTIVATE_HELP = """Shut an admin out.

It counts from the next request on, ends all logins, and is noted. The admin's events stay, and
`evently admin activate` takes it back; then the admin logs in anew. Exits with 1 when nobody has
the email.

\b
Examples:
  evently admin deactivate --email ada@example.org
"""

ACTIVATE_HELP = """Let an admin in again who was shut out; it is noted.

\b
Examples:
  evently admin activate --email ada@example.org
"""

RESET_HELP = """Give an admin another password.

It is asked for, or read from stdin, as `evently admin create` does. All logins end, and it is
noted; an access token that was given out before is good until it expires. Exits with 1 when nobody
has the email.

\b
Examples:
  evently admin password --email ada@example.org
  pass show evently/ada | evently admin password --email ada@example.org --password-stdin
"""

ROLE_HELP = """Give an admin another role.

It counts from the admin's next request on, and is noted with what the role was before. Exits with
1 when nobody has the email.

\b
Examples:
  evently admin role --email ada@example.org --role super_admin
"""

CREATE_HELP = """Create an admin who can log in.

The password is asked for twice at a terminal, and read from stdin where that is none, or with
--password-stdin: one line, 8 to 72 bytes in UTF-8. It is never an argument. Any role may be given
here, also super_admin, which may change everybody's events and register others of its kind.

Prints the new admin's id. Exits with 1 when the email is taken or a field is not valid. With the
embedded database it uses the running service's server, or starts it for as long as it takes.

\b
Examples:
  evently admin create --email ada@example.org --name "Ada Lovelace" --role super_admin
  pass show evently/ada | evently admin create --email ada@example.org --name Ada --password-stdin
"""


class NewPassword(Body):
    """What `admin password` is given."""

    password: Password


_email = click.option("--email", required=True, help="Whose it is; in any case.")
_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from stdin."
)


@click.group(help=ADMIN_HELP)
def admin() -> None:
    """Hold the commands about admins."""


@admin.command(help=CREATE_HELP)
@click.option("--email", required=True, help="What the admin logs in with; one admin each.")
@click.option("--name", required=True, help="The admin's name, as others see it.")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="event_manager",
    show_default=True,
    help="What the admin may do.",
)
@click.option("--phone-number", help="Like +14155550100.")
@_password_stdin
def create(
    email: str, name: str, role: str, phone_number: str | None, password_stdin: bool
) -> None:
    """Create an admin from the options and a password that is none of them."""
    fields = {"email": email, "name": name, "role": role, "phone_number": phone_number}
    with telling_why():
        settings = load_settings(serving=False)
        fields["password"] = _password(piped=password_stdin)
        try:
            registration = read_body(Registration, fields)
            admin_id = asyncio.run(_create(settings, registration))
        except ApiError as error:
            raise click.ClickException(_in_words("no admin was created", error)) from error
    click.echo(admin_id)


@admin.command(name="role", help=ROLE_HELP)
@_email
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="The new role.")
def change_role(email: str, role: str) -> None:
    """Change one admin's role."""
    before = _with_admins(
        lambda admins: admins.change_role(email.strip(), role, COMMAND_LINE, COMMAND_LINE)
    )
    if before is None:
        raise _nobody(email)
    click.echo(f"{email}: {before} -> {role}")


@admin.command(name="list", help=LIST_HELP)
def list_all() -> None:
    """Print a line for every admin."""
    found = _with_admins(lambda admins: admins.list_admins())
    width = max((len(one.email) for one in found), default=0)
    for one in found:
        may = "active" if one.is_active else "inactive"
        click.echo(
            f"{one.email:{width}}  {one.role:13}  {may:8}  {one.created_at:%Y-%m-%d}  {one.name}"
        )
    click.echo(f"{len(found)} admins", err=True)


@admin.command(help=DEACTIVATE_HELP)
@_email
def deactivate(email: str) -> None:
    """Shut one admin out."""
    _set_activity(email, is_active=False)


@admin.command(help=ACTIVATE_HELP)
@_email
def activate(email: str) -> None:
    """Let one admin in again."""
    _set_activity(email, is_active=True)


@admin.command(help=RESET_HELP)
@_email
@_password_stdin
def password(email: str, password_stdin: bool) -> None:
    """Change one admin's password."""
    with telling_why():
        settings = load_settings(serving=False)
        try:
            new = read_body(NewPassword, {"password": _password(piped=password_stdin)}).password
        except ApiError as error:
            raise click.ClickException(_in_words("nothing was changed", error)) from error
        known = asyncio.run(_change_password(settings, email.strip(), new))
    if not known:
        raise _nobody(email)
    click.echo(f"{email}: has another password; all logins have ended")


def _set_activity(email: str, *, is_active: bool) -> None:
    before = _with_admins(
        lambda admins: admins.change_activity(
            email.strip(), COMMAND_LINE, COMMAND_LINE, is_active=is_active
        )
    )
    if before is None:
        raise _nobody(email)
    now = "active" if is_active else "inactive"
    click.echo(f"{email}: {'is' if before is not is_active else 'was already'} {now}")


def _nobody(email: str) -> click.ClickException:
    return click.ClickException(f"nobody has the email {email}")


def _with_admins(act: Callable[[AdminStore], Awaitable[T]]) -> T:
    """What `act` makes of the admins in the database."""

    async def run(settings: Settings) -> T:
        async with command_database(settings) as database:
            return await act(AdminStore(database))

    with telling_why():
        return asyncio.run(run(load_settings(serving=False)))


def _password(*, piped: bool) -> str:
    return _typed_password() if _at_a_terminal() and not piped else _piped_password()


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()


def _typed_password() -> str:
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _piped_password() -> str:
    """The one line on stdin, without its end."""
    piped = sys.stdin.read(STDIN_MAX + 1)
    line = piped.removesuffix("\n").removesuffix("\r")
    if len(piped) > STDIN_MAX or "\n" in line:
        raise click.ClickException("the password on stdin must be one line")
    return line


async def _create(settings: Settings, registration: Registration) -> str:
    async with command_database(settings) as database:
        auth = _admin_auth(settings, database)
        try:
            return await auth.create_admin(registration)
        finally:
            await auth.close()


async def _change_password(settings: Settings, email: str, new: str) -> bool:
    passwords = Passwords()
    try:
        hashed = await passwords.hash(new)
    finally:
        passwords.close()
    async with command_database(settings) as database:
        admins = AdminStore(database)
        return await admins.change_password(email, hashed, COMMAND_LINE, COMMAND_LINE)


def _admin_auth(settings: Settings, database: Database) -> AdminAuth:
    return AdminAuth(
        admins=AdminStore(database),
        refreshes=RefreshStore(database),
        audit=AuditStore(database),
        tokens=AdminTokens(settings.jwt_secret.get_secret_value()),
        passwords=Passwords(),
        throttle=Throttle(ThrottleStore(database)),
        observer=_Unobserved(),
    )


class _Unobserved:
    """Nobody logs in here, so there is nothing to count."""

    def login(self, outcome: LoginOutcome) -> None:
        """Count nothing."""


def _in_words(undone: str, error: ApiError) -> str:
    """The refusal for a person: each bad field by its own line, or the message."""
    fields = error.details.get("fields", ())
    if not fields:
        return error.message
    return "\n".join([f"{undone}:", *(f"  {found['message']}" for found in fields)])
