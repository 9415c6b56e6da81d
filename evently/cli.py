"""The commands of `evently`.

Rule: a command says what it does, what it needs and what it leaves behind in its `--help`, and
fails with a sentence that says what to do, never with a traceback. It waits for no module that
only another command needs: those that speak HTTP take a third of a second to import.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module

import asyncpg
import click

from db.database import Database
from db.failures import translated
from db.migrate import Migration, check_migrated, migrate
from evently.command_database import command_dsn, telling_why
from evently.embedded import EmbeddedPostgres
from evently.logs import set_up_logs
from evently.settings import Settings, load_settings
from evently.supervisor import CannotListen, Supervisor

CONNECT_S = 10.0
# Commands that stand elsewhere: the module, and its name there.
ELSEWHERE: Mapping[str, tuple[str, str]] = {
    "admin": ("evently.admin_commands", "admin"),
    "burst": ("evently.burst_command", "burst"),
    "seed": ("evently.seed", "seed_command"),
    "verify": ("evently.verify", "verify"),
}

MIGRATE_HELP = """Bring the database to this release's schema; what is applied already stays as it
is. Run it before the new release serves; several at once take turns.

\b
Examples:
  evently migrate
  EVENTLY_DATABASE_URL=postgresql://user:password@host/evently evently migrate
"""


class Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = ELSEWHERE[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="evently-event-service", message="%(prog)s %(version)s")
def main() -> None:
    """Evently Event Service: events, venues and seats, each seat sold once.

    Settings come from the environment, as EVENTLY_*; the README has the table. Without
    EVENTLY_DATABASE_URL the service runs a PostgreSQL of its own under EVENTLY_DATA_DIR.
    """


@main.command(short_help="Run the service.")
@click.option("--host", help="Address to listen on.  [default: EVENTLY_HOST or 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: EVENTLY_PORT or 8002]")
@click.option(
    "--workers", type=int, help="Worker processes.  [default: EVENTLY_WORKERS or all processors]"
)
@click.option("--demo", is_flag=True, help="Add venues and events to try things out with.")
def serve(host: str | None, port: int | None, workers: int | None, demo: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C, which drain it; SIGHUP replaces its workers."""
    for name, given in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if given is not None:
            os.environ[f"EVENTLY_{name}"] = str(given)
    with telling_why():
        settings = load_settings()
    set_up_logs(settings.log_format)
    with ExitStack() as stack:
        with telling_why():
            dsn = _database(settings, stack)
            asyncio.run(_prepare(settings, dsn, demo=demo))
        try:
            supervisor = Supervisor(settings, dsn, lambda port: _banner(settings, port))
        except CannotListen as error:
            raise click.ClickException(str(error)) from error
        code = supervisor.run()
    sys.exit(code)


def _database(settings: Settings, stack: ExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    embedded = stack.enter_context(EmbeddedPostgres(settings.data_dir))
    return embedded.dsn()


async def _prepare(settings: Settings, dsn: str, *, demo: bool) -> None:
    """Bring the embedded database to this schema, see that an external one has it, add the demo."""
    with translated():
        connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
        try:
            await (migrate(connection) if settings.embedded else check_migrated(connection))
        finally:
            await connection.close()
    if demo:
        from evently.seed import seed  # noqa: PLC0415 - as above: only the demo needs it

        async with Database(dsn) as database:
            await seed(database)


@main.command(
    "migrate", help=MIGRATE_HELP, short_help="Bring the database to this release's schema."
)
def migrate_command() -> None:
    """Apply what is missing, and say what that was."""
    with telling_why():
        settings = load_settings(serving=False)
        with command_dsn(settings) as dsn:
            applied = asyncio.run(_migrate(dsn))
    for migration in applied:
        click.echo(f"applied {migration.number:04}_{migration.name}")
    click.echo(f"{len(applied)} migrations applied" if applied else "nothing to migrate")


async def _migrate(dsn: str) -> tuple[Migration, ...]:
    with translated():
        connection = await asyncpg.connect(dsn, timeout=CONNECT_S)
        try:
            return await migrate(connection)
        finally:
            await connection.close()


def _banner(settings: Settings, port: int) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    lines = [f"Evently Event Service   {url}", f"API, to read and try    {url}/docs"]
    if settings.embedded:
        lines.append(f"Data                    {settings.data_dir.resolve()}")
        if settings.secrets_path.exists():
            lines.append(f"Keys and secrets        {settings.secrets_path.resolve()}")
    click.echo("\n" + "\n".join(f"  {line}" for line in lines) + "\n", err=True)
