"""The commands `admin ...`: what an operator, who has access to the database, does to admins.

Rule: a password is never an argument, where every user of the machine and the shell's history
could read it. What registration over HTTP refuses is refused here with the same message.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeVar, get_args

import click
from pydantic import ValidationError

from db.admin_store import AdminStore
from db.throttle_store import ThrottleStore
from evently.commands.database import command_database, telling_why
from evently.domain.admins import Admin, EmailTaken, LastSuperAdmin, Profile, Role
from evently.settings import Settings, load_settings
from routes.auth.passwords import Passwords
from routes.auth.registration import add_admin
from routes.auth.throttle import Throttle
from routes.contract.account_bodies import Password, Registration
from routes.contract.fields import Body
from routes.contract.validation import problems

T = TypeVar("T")

# The caller, and the request, that the audit records for these commands.
COMMAND_LINE = "command line"
# Longer input is not a password but a file that was piped in by mistake.
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

Prints a line for each, by email: role, whether they may log in, when they were added, and name.

\b
Examples:
  evently admin list
"""

DEACTIVATE_HELP = """Deactivate an admin.

Takes effect with the next request, ends all their logins, and is recorded in the audit. Their
events stay. `evently admin activate` undoes it, after which the admin has to log in again. Exits
with 1 if no admin has the email, or if they are the last active super_admin and --force is not
given.

\b
Examples:
  evently admin deactivate --email ada@example.org
"""

ACTIVATE_HELP = """Activate an admin who was deactivated, and record it in the audit.

Exits with 1 if no admin has the email.

\b
Examples:
  evently admin activate --email ada@example.org
"""

RESET_HELP = """Set an admin's password.

The password is read as `evently admin create` does. They can log in with it at once, however many
logins have failed before. It ends all their logins and is recorded in the audit; an access token
issued before stays valid until it expires. Exits with 1 if no admin has the email.

\b
Examples:
  evently admin password --email ada@example.org
  pass show evently/ada | evently admin password --email ada@example.org --password-stdin
"""

ROLE_HELP = """Change an admin's role.

Takes effect with their next request; the audit records it with the previous role. Exits with 1 if
no admin has the email, or if they are the last active super_admin and --force is not given.

\b
Examples:
  evently admin role --email ada@example.org --role super_admin
"""

CREATE_HELP = """Create an admin who can log in.

At a terminal, prompts for the password twice; otherwise, or with --password-stdin, reads it from
stdin: one line, 8 to 72 bytes in UTF-8. It is never an argument. Any role may be given here,
including super_admin, which may change every event and register other super_admins.

Prints the new admin's id. Exits with 1 if the email is taken or a field is invalid. With the
embedded database, uses the server of the running service, or starts one until it is done.

\b
Examples:
  evently admin create --email ada@example.org --name "Ada Lovelace" --role super_admin
  pass show evently/ada | evently admin create --email ada@example.org --name Ada --password-stdin
"""


class NewPassword(Body):
    """The input of `admin password`."""

    password: Password


_force = click.option("--force", is_flag=True, help="Even if they are the last active super_admin.")
_email = click.option("--email", required=True, help="The admin's email, in any case.")
_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from stdin."
)


@click.group(help=ADMIN_HELP)
def admin() -> None:
    """Group the commands that manage admins."""


@admin.command(help=CREATE_HELP)
@click.option("--email", required=True, help="What the admin logs in with; one admin per email.")
@click.option("--name", required=True, help="The admin's name.")
@click.option(
    "--role",
    type=click.Choice(get_args(Role)),
    default="event_manager",
    show_default=True,
    help="What the admin may do.",
)
@click.option("--phone-number", help="For example +14155550100.")
@_password_stdin
def create(
    email: str, name: str, role: str, phone_number: str | None, password_stdin: bool
) -> None:
    """Create an admin from the options and a password."""
    fields = {"email": email, "name": name, "role": role, "phone_number": phone_number}
    with telling_why():
        settings = load_settings(serving=False)
        fields["password"] = _password(piped=password_stdin)
        try:
            registration = Registration.model_validate(fields)
        except ValidationError as error:
            raise _invalid("no admin was created", error) from error
        created = asyncio.run(_create(settings, registration))
    if isinstance(created, EmailTaken):
        raise click.ClickException("An admin with this email already exists")
    click.echo(created.admin_id)


@admin.command(name="role", help=ROLE_HELP)
@_email
@click.option("--role", type=click.Choice(get_args(Role)), required=True, help="The new role.")
@_force
def change_role(email: str, role: Role, *, force: bool) -> None:
    """Change one admin's role."""
    before = _with_admins(
        lambda admins: admins.change_role(
            email.strip(), role, COMMAND_LINE, COMMAND_LINE, force=force
        )
    )
    if isinstance(before, LastSuperAdmin):
        raise _last(email)
    if before is None:
        raise _unknown(email)
    click.echo(f"{email}: {before} -> {role}")


@admin.command(name="list", help=LIST_HELP)
def list_all() -> None:
    """Print a line for each admin."""
    found = _with_admins(lambda admins: admins.list_admins())
    width = max((len(one.email) for one in found), default=0)
    for one in found:
        state = "active" if one.is_active else "inactive"
        click.echo(
            f"{one.email:{width}}  {one.role:13}  {state:8}  {one.created_at:%Y-%m-%d}  {one.name}"
        )
    click.echo(f"{len(found)} admins", err=True)


@admin.command(help=DEACTIVATE_HELP)
@_email
@_force
def deactivate(email: str, *, force: bool) -> None:
    """Deactivate one admin."""
    _set_activity(email, is_active=False, force=force)


@admin.command(help=ACTIVATE_HELP)
@_email
def activate(email: str) -> None:
    """Activate one admin."""
    _set_activity(email, is_active=True)


@admin.command(help=RESET_HELP)
@_email
@_password_stdin
def password(email: str, password_stdin: bool) -> None:
    """Change one admin's password."""
    with telling_why():
        settings = load_settings(serving=False)
        given = {"password": _password(piped=password_stdin)}
        try:
            new = NewPassword.model_validate(given).password
        except ValidationError as error:
            raise _invalid("nothing was changed", error) from error
        is_active = asyncio.run(_change_password(settings, email.strip(), new))
    if is_active is None:
        raise _unknown(email)
    click.echo(f"{email}: password changed; all logins have ended")
    if not is_active:
        click.echo(f"{email} is inactive: `evently admin activate` lets them log in", err=True)


def _set_activity(email: str, *, is_active: bool, force: bool = False) -> None:
    before = _with_admins(
        lambda admins: admins.change_activity(
            email.strip(), COMMAND_LINE, COMMAND_LINE, is_active=is_active, force=force
        )
    )
    if isinstance(before, LastSuperAdmin):
        raise _last(email)
    if before is None:
        raise _unknown(email)
    now = "active" if is_active else "inactive"
    click.echo(f"{email}: {'is' if before is not is_active else 'was already'} {now}")


def _unknown(email: str) -> click.ClickException:
    return click.ClickException(f"no admin has the email {email}")


def _last(email: str) -> click.ClickException:
    return click.ClickException(
        f"{email} is the last active super_admin, without whom nobody can register another: create "
        "or activate one first, or use --force"
    )


def _with_admins(act: Callable[[AdminStore], Awaitable[T]]) -> T:
    """Run `act` on the admins in the database."""

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
    """The single line on stdin, without its line ending."""
    piped = sys.stdin.read(STDIN_MAX + 1)
    line = piped.removesuffix("\n").removesuffix("\r")
    if len(piped) > STDIN_MAX or "\n" in line:
        raise click.ClickException("the password on stdin must be one line")
    return line


async def _create(settings: Settings, registration: Registration) -> Admin | EmailTaken:
    profile = Profile(
        registration.email, registration.name, registration.phone_number, registration.role
    )
    async with command_database(settings) as database:
        with closing(Passwords()) as passwords:
            return await add_admin(
                AdminStore(database),
                passwords,
                profile,
                registration.password,
                caller=COMMAND_LINE,
                request_id=COMMAND_LINE,
            )


async def _change_password(settings: Settings, email: str, new: str) -> bool | None:
    """Whether the admin is active; failed logins are forgotten, which would keep them out."""
    with closing(Passwords()) as passwords:
        hashed = await passwords.hash(new)
    async with command_database(settings) as database:
        admins = AdminStore(database)
        is_active = await admins.change_password(email, hashed, COMMAND_LINE, COMMAND_LINE)
        await Throttle(ThrottleStore(database)).forget(email)
        return is_active


def _invalid(undone: str, error: ValidationError) -> click.ClickException:
    """The refusal in words: a line for each invalid field."""
    lines = (f"  {message}" for _, message in problems("body", error))
    return click.ClickException("\n".join([f"{undone}:", *lines]))
