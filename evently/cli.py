"""The `evently` command line: the list of commands, and the module of each.

Rule: the `--help` of a command says what it does, what it needs and what it leaves behind; a
failure is a sentence that says what to do, never a traceback. A command imports nothing that only
another command needs: the modules for HTTP take a third of a second to import.
"""

from collections.abc import Mapping
from importlib import import_module

import click

# Each command's module, and its name in that module.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "admin": ("evently.commands.admin", "admin"),
    "archive": ("evently.commands.archive", "archive"),
    "backup": ("evently.commands.backup", "backup"),
    "burst": ("evently.commands.burst", "burst"),
    "migrate": ("evently.commands.migrate", "migrate"),
    "psql": ("evently.commands.psql", "psql"),
    "restore": ("evently.commands.backup", "restore"),
    "seed": ("evently.commands.seed", "seed_command"),
    "serve": ("evently.commands.serve", "serve"),
    "verify": ("evently.commands.verify", "verify"),
}


class Commands(click.Group):
    """Imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="evently-event-service", message="%(prog)s %(version)s")
def main() -> None:
    """Evently Event Service: events, venues and seats, each seat sold once.

    Settings come from EVENTLY_* environment variables; the README lists them. Without
    EVENTLY_DATABASE_URL, the service runs its own PostgreSQL under EVENTLY_DATA_DIR.
    """
