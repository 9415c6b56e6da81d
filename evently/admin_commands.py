"""The commands `admin ...`: what an operator does to admins, who has the database anyway.

Rule: a password never stands on a command line, where every user of the machine and the shell's
history would read it; and what registration over HTTP refuses is refused here in the same words.
"""

import asyncio
import sys
from typing import get_args

import click

from db.admin_store import AdminStore
from db.audit_store import AuditStore
from db.database import Database
from db.refresh_store import RefreshStore
from db.throttle_store import ThrottleStore
from evently.command_database import command_database, telling_why
from evently.settings import Settings, load_settings
from routes.auth.admin_auth import COMMAND_LINE, AdminAuth, LoginOutcome
from routes.auth.admin_tokens import AdminTokens
from routes.auth.passwords import Passwords
from routes.auth.throttle import Throttle
from routes.bodies import Registration, Role
from routes.errors import ApiError
from routes.fields import read_body

# Whatever is longer than this is no password but a file piped in by mistake.
STDIN_MAX = 4096

ADMIN_HELP = """Manage admins.

\b
Examples:
  evently admin create --email ada@example.org --name Ada --role super_admin
  evently admin role --email ada@example.org --role admin
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
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin.")
def create(
    email: str, name: str, role: str, phone_number: str | None, password_stdin: bool
) -> None:
    """Create an admin from the options and a password that is none of them."""
    fields = {"email": email, "name": name, "role": role, "phone_number": phone_number}
    with telling_why():
        settings = load_settings(serving=False)
        typed = _at_a_terminal() and not password_stdin
        fields["password"] = _typed_password() if typed else _piped_password()
        try:
            registration = read_body(Registration, fields)
            admin_id = asyncio.run(_create(settings, registration))
        except ApiError as error:
            raise click.ClickException(_in_words(error)) from error
    click.echo(admin_id)


@admin.command(name="role", help=ROLE_HELP)
@click.option("--email", required=True, help="Whose role it is; in any case.")
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="The new role.")
def change_role(email: str, role: str) -> None:
    """Change one admin's role."""
    with telling_why():
        before = asyncio.run(_change_role(load_settings(), email.strip(), role))
    if before is None:
        raise click.ClickException(f"nobody has the email {email}")
    click.echo(f"{email}: {before} -> {role}")


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


async def _change_role(settings: Settings, email: str, role: str) -> str | None:
    async with command_database(settings) as database:
        admins = AdminStore(database)
        return await admins.change_role(email, role, COMMAND_LINE, COMMAND_LINE)


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


def _in_words(error: ApiError) -> str:
    """The refusal for a person: each bad field by its own line, or the message."""
    fields = error.details.get("fields", ())
    if not fields:
        return error.message
    return "\n".join(["no admin was created:", *(f"  {found['message']}" for found in fields)])
