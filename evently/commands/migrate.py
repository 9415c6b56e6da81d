"""The command `migrate`: brings the database to this release's schema.

Rule: what was applied stays as it is; several at once take turns.
"""

import asyncio

import click

from db.migrate import migrate_database
from evently.commands.database import command_dsn, telling_why
from evently.settings import load_settings

HELP = """Bring the database to this release's schema; what is applied already stays as it
is. Run it before the new release serves; several at once take turns.

\b
Examples:
  evently migrate
  EVENTLY_DATABASE_URL=postgresql://user:password@host/evently evently migrate
"""


@click.command(help=HELP, short_help="Bring the database to this release's schema.")
def migrate() -> None:
    """Apply what is missing, and say what that was."""
    with telling_why():
        settings = load_settings(serving=False)
        with command_dsn(settings) as dsn:
            applied = asyncio.run(migrate_database(dsn))
    for migration in applied:
        click.echo(f"applied {migration.number:04}_{migration.name}")
    click.echo(f"{len(applied)} migrations applied" if applied else "nothing to migrate")
