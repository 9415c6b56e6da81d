"""The command `migrate`: brings the database to this release's schema.

Rule: an applied migration stays as it is; concurrent runs wait for each other.
"""

import asyncio

import click

from db.migrate import migrate_database
from evently.commands.database import command_dsn, telling_why
from evently.settings import load_settings

HELP = """Bring the database to this release's schema. Migrations that are already applied
are skipped. Run it before the new release serves; concurrent runs wait for each other.

\b
Examples:
  evently migrate
  EVENTLY_DATABASE_URL=postgresql://user:password@host/evently evently migrate
"""


@click.command(help=HELP, short_help="Bring the database to this release's schema.")
def migrate() -> None:
    """Apply the missing migrations, and list them."""
    with telling_why():
        settings = load_settings(serving=False)
        with command_dsn(settings) as dsn:
            applied = asyncio.run(migrate_database(dsn))
    for migration in applied:
        click.echo(f"applied {migration.number:04}_{migration.name}")
    click.echo(f"{len(applied)} migrations applied" if applied else "nothing to migrate")
