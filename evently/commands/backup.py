"""The commands `backup` and `restore`: the embedded database, copied away and put back.

Rule: a backup holds all that a service of this directory is made of: its database and, in a file of
their own, the keys that the service generated. Neither command changes a backup that is complete.
"""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click
from tqdm import tqdm

from evently.commands.database import check_embedded, embedded_dsn, telling_why
from evently.embedded import EmbeddedPostgresError
from evently.embedded.backup import restore_backup, sync_folder, take_backup
from evently.embedded.cluster import FOLDER
from evently.own_secrets import SECRETS_FILE
from evently.settings import Settings, load_settings

MB = 1_000_000

BACKUP_HELP = """Back up the embedded database into the new directory DIR.

Runs beside the service, whose sales go on, and holds what was committed until it ends. DIR gets a
copy of the database's files, checked against their checksums, and of the keys that the service
generated: keep it where only you can read it, and on another disk. A backup that fails leaves no
DIR.

`evently restore DIR` needs the same major release of PostgreSQL. For an external database, use its
server's own tools.

\b
Examples:
  evently backup /backups/evently-2026-11-28
  EVENTLY_DATA_DIR=/srv/evently evently backup /backups/evently-$(date +%F)
"""

RESTORE_HELP = """Restore the embedded database from the backup in DIR.

Stop the service first. The backup's checksums are compared before anything is changed. If
EVENTLY_DATA_DIR has a database, --replace is needed. The present one is then kept beside the
restored one, under the name that is printed; delete it once you no longer need it. Keys that the
directory has stay; if it has none, those of the backup are restored.

What was sold after the backup is missing: docs/operations.md says how to have it sent again. Run
`evently verify` next.

\b
Examples:
  evently restore /backups/evently-2026-11-28 --replace
  EVENTLY_DATA_DIR=/srv/elsewhere evently restore /backups/evently-2026-11-28
"""


@click.command(help=BACKUP_HELP, short_help="Back up the embedded database.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Copy the database and the keys into a new directory."""
    with telling_why():
        settings = load_settings(serving=False)
        target = folder.absolute()
        if target.exists():
            raise EmbeddedPostgresError(f"{target} exists: name a new directory")
        with embedded_dsn(settings) as dsn:
            size = _back_up(settings, dsn, target)
    click.echo(f"{target}: {size / MB:.0f} MB, checked")


def _back_up(settings: Settings, dsn: str, target: Path) -> int:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{target.name}.unfinished.", dir=target.parent))
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{target} cannot be created ({error.strerror}): name a directory that this user may "
            "write to"
        ) from error
    try:
        take_backup(dsn, unfinished / FOLDER, show=sys.stderr.isatty())
        with suppress(FileNotFoundError):
            _copy_secrets(settings.secrets_path, unfinished / SECRETS_FILE)
        size = _size(unfinished)
        sync_folder(unfinished)
        unfinished.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return size


@click.command(help=RESTORE_HELP, short_help="Restore the embedded database from a backup.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the present database, and keep it beside.")
def restore(folder: Path, *, replace: bool) -> None:
    """Copy a backup's database, and its keys if there are none, into the data directory."""
    source = folder.absolute()
    with telling_why():
        settings = load_settings(serving=False)
        check_embedded(settings)
        total = _size(source / FOLDER)
        click.echo(f"database: embedded, in {settings.data_dir.resolve()}", err=True)
        with tqdm(total=total, desc="restore", unit="B", unit_scale=True, disable=None) as bar:
            former = restore_backup(
                settings.data_dir, source / FOLDER, replace=replace, advance=bar.update
            )
        with suppress(FileExistsError, FileNotFoundError):
            _copy_secrets(source / SECRETS_FILE, settings.secrets_path)
    if former is not None:
        click.echo(f"the replaced database is {former}")
    click.echo(f"restored {source}: run `evently verify` next")


def _copy_secrets(source: Path, target: Path) -> None:
    """Copy the file of keys, for its owner only. Raises FileExistsError or FileNotFoundError."""
    text = source.read_bytes()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
