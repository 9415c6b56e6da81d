"""The command `migrate`: brings the database to this release's schema.

Rule: an applied migration stays as it is; concurrent runs wait for each other.
"""

import asyncio

import click

from db.migrate import migrate_database
from db.privileges import grants
from evently.commands.database import command_dsn, telling_why
from evently.settings import load_settings

HELP = """Bring the database to this release's schema. Migrations that are already applied
are skipped. Run it before the new release serves; concurrent runs wait for each other.

On a PostgreSQL of your own, the role that migrates owns the tables, and another one with fewer
rights may serve: --print-grants prints the SQL for both, and changes nothing.

\b
Examples:
  evently migrate
  EVENTLY_DATABASE_URL=postgresql://user:password@host/evently evently migrate
  evently migrate --print-grants | psql --dbname=evently
"""


@click.command(help=HELP, short_help="Bring the database to this release's schema.")
@click.option("--print-grants", is_flag=True, help="Print the SQL for the two roles, and end.")
@click.option("--owner", default="evently_owner", show_default=True, help="The role that migrates.")
@click.option(
    "--service", default="evently_service", show_default=True, help="The one that serves."
)
@click.option("--database", default="evently", show_default=True, help="The database's name.")
def migrate(*, print_grants: bool, owner: str, service: str, database: str) -> None:
    """Apply the missing migrations, and list them."""
    if print_grants:
        click.echo(grants(owner=owner, service=service, database=database), nl=False)
        return
    with telling_why():
        settings = load_settings(serving=False)
        with command_dsn(settings, may_make=True) as dsn:
            # Its lock is held by a session, which a pooler may hand to somebody else.
            direct = settings.commit_dsn(dsn)
            applied = asyncio.run(migrate_database(direct, settings.currency))
    for migration in applied:
        click.echo(f"applied {migration.number:04}_{migration.name}")
    click.echo(f"{len(applied)} migrations applied" if applied else "nothing to migrate")
