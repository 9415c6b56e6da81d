"""The command `psql`: PostgreSQL's own client, connected to the embedded database.

Rule: it is the client that belongs to the server's release, whatever else is installed.
"""

import os
import signal
import subprocess
import sys

import click

from evently.commands.database import embedded_dsn, telling_why
from evently.embedded.programs import binaries
from evently.settings import load_settings

HELP = """Open the embedded database in psql, or run what ARGUMENTS tell psql to run.

Uses the running service's server, or starts it for as long as it takes. You are its superuser: what
you change by hand is in no ledger and no audit. The exit code is psql's.

\b
Examples:
  evently psql
  evently psql -c 'SELECT status, count(*) FROM events GROUP BY status'
  evently psql --csv -c 'TABLE admin_audit' > audit.csv
"""


@click.command(
    help=HELP,
    short_help="Open the embedded database in psql.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Run psql, and end with its exit code."""
    with telling_why(), embedded_dsn(load_settings(serving=False)) as dsn:
        code = _run(dsn, arguments)
    sys.exit(code)


def _run(dsn: str, arguments: tuple[str, ...]) -> int:
    # Ctrl-C is for psql, which ends its query and goes on.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        command = [str(binaries() / "psql"), f"--dbname={dsn}", *arguments]
        return subprocess.run(command, env=_environ(), check=False).returncode  # noqa: S603
    finally:
        signal.signal(signal.SIGINT, before)


def _environ() -> dict[str, str]:
    """The user's own, for pager and editor, without what could point psql to another server."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    return own | {"PGCLIENTENCODING": "UTF8"}
