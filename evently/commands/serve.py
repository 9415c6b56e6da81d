"""The command `serve`: prepares the database, then runs the supervisor and its workers.

Rule: an external database is checked and never migrated; only the embedded one, which belongs to
this service alone, is brought to this release's schema at start. One that does not fit ends the
start, one that is away does not: restarting would not bring it back.
"""

import asyncio
import logging
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from db.database import Database
from db.migrate import fold_database, migrate_database
from db.serving import check_serving
from evently.commands.database import telling_why
from evently.domain.errors import Fault
from evently.embedded import EmbeddedPostgres
from evently.logs import set_up_logs
from evently.settings import Settings, foreign_names, load_settings, secret_source
from evently.supervisor import CannotListen, Supervisor

log = logging.getLogger(__name__)


@click.command(short_help="Run the service.")
@click.option("--host", help="Address to listen on.  [default: EVENTLY_HOST or 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on.  [default: EVENTLY_PORT or 8002]")
@click.option(
    "--workers",
    type=int,
    help="Worker processes.  [default: EVENTLY_WORKERS, or one for each processor, less one for an"
    " embedded database]",
)
@click.option(
    "--demo", is_flag=True, help="Add venues, events and an organiser to try things out with."
)
def serve(host: str | None, port: int | None, workers: int | None, demo: bool) -> None:
    """Run the service until SIGTERM or Ctrl-C, which drain it; SIGHUP replaces its workers."""
    for name, given in (("HOST", host), ("PORT", port), ("WORKERS", workers)):
        if given is not None:
            os.environ[f"EVENTLY_{name}"] = str(given)
    with telling_why():
        settings = load_settings()
    set_up_logs(settings.log_format)
    for name in foreign_names():
        log.warning("%s is not a setting of this service, and is ignored", name)
    with ExitStack() as stack:
        with telling_why():
            embedded = _embedded(settings, stack)
            dsn = embedded.dsn() if embedded is not None else _external(settings)
            sign_in = asyncio.run(_prepare(settings, dsn, demo=demo))
        try:
            supervisor = Supervisor(
                settings, dsn, lambda port: _banner(settings, port, sign_in), embedded=embedded
            )
        except CannotListen as error:
            raise click.ClickException(str(error)) from error
        code = supervisor.run()
    sys.exit(code)


def _embedded(settings: Settings, stack: ExitStack) -> EmbeddedPostgres | None:
    if not settings.embedded:
        return None
    return stack.enter_context(EmbeddedPostgres(settings.data_dir))


def _external(settings: Settings) -> str:
    assert settings.database_url is not None, "the database is not embedded"
    return settings.database_url.get_secret_value()


async def _prepare(settings: Settings, dsn: str, *, demo: bool) -> str | None:
    """Bring the embedded database to this schema, see that an external one fits, add the demo.

    An external one that does not answer stands in the way of the demo only: the workers go on
    asking. Returns how to sign in to the demo's console, if there is a demo.
    """
    if settings.embedded:
        await migrate_database(dsn, settings.currency)
    else:
        try:
            await check_serving(dsn, settings.commit_dsn(dsn))
            await fold_database(dsn)
        except Fault as fault:
            log.warning("starting without the database, which does not answer: %s", fault)
    if not demo:
        return None
    # Only the demo needs them, and they take a while to import.
    from evently.commands.demo_story import EMAIL, tell_story  # noqa: PLC0415
    from evently.commands.seed import seed  # noqa: PLC0415

    async with Database(dsn) as database:
        await seed(database)
        password = await tell_story(database, settings.jwt_secret.get_secret_value())
    return f"{EMAIL}, password {password or 'as you changed it'}"


def _banner(settings: Settings, port: int, sign_in: str | None) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    lines = [
        f"Evently Event Service   {url}",
        f"Console for organisers  {url}/console",
        f"API, to read and try    {url}/docs",
    ]
    if sign_in:
        lines.insert(2, f"Sign in to the demo as  {sign_in}")
    if settings.embedded:
        lines.append(f"Data                    {settings.data_dir.resolve()}")
    keys, secret = (_shown(secret_source(name)) for name in ("internal_api_keys", "jwt_secret"))
    if keys == secret:
        lines.append(f"Keys and secrets        {keys}")
    else:
        lines += [f"Internal keys           {keys}", f"JWT secret              {secret}"]
    click.echo("\n" + "\n".join(f"  {line}" for line in lines) + "\n", err=True)


def _shown(source: str | Path) -> str:
    return source if isinstance(source, str) else str(source.resolve())
