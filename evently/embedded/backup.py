"""Copies the embedded server's cluster while it serves, and puts such a copy in its place.

Rules

1. A backup, and a restored cluster, is written completely under another name, checked against its
   manifest, and then renamed: a partial one is never found under its name.
2. Nothing is deleted: the cluster that a restored one replaces is kept beside it.
3. A restored cluster begins a new timeline, by which whatever remembers the former one (the
   lineage, the feed of changes, consumers of WAL) can tell the two histories apart.

A backup is a copy of the files (pg_basebackup), not a dump. A dump holds one snapshot for as long
as it takes, and meanwhile no dead version of a hot event's row can be removed: its sales slow down
(updates of one row took 1.5 ms, and 4.7 ms once a snapshot had been open for 15 seconds).
A copy needs no snapshot, is restored as fast as the disk copies, and is checked by checksums. Its
price is that it fits the same major release on the same kind of machine only.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from evently.embedded.cluster import FOLDER, UNFINISHED, check_release, has_cluster
from evently.embedded.data_dir_lock import DataDirLock
from evently.embedded.errors import EmbeddedPostgresError
from evently.embedded.postmaster import Postmaster
from evently.embedded.programs import run_program
from evently.embedded.system_user import give, make_data_dir, server_user

MANIFEST = "backup_manifest"
# With this file the server ends its recovery by beginning a new timeline, and removes it.
RECOVERY_SIGNAL = "recovery.signal"
# A copy takes as long as it takes; whoever waits sees its progress and may interrupt it.
UNBOUNDED = None


def take_backup(dsn: str, target: Path, *, show: bool) -> None:
    """Copy the cluster of the server at `dsn` into `target`, which must not exist.

    `show` lets pg_basebackup show its progress on stderr. Raises EmbeddedPostgresError.
    """
    options = ["--checkpoint=fast", "--manifest-checksums=SHA256", "--no-password"]
    if show:
        options.append("--progress")
    run_program(
        None,
        "pg_basebackup",
        *(f"--dbname={dsn}", f"--pgdata={target}", *options),
        timeout_s=UNBOUNDED,
        show=show,
    )
    _check(target)


def restore_backup(
    data_dir: Path, backup: Path, *, replace: bool, advance: Callable[[int], object]
) -> Path | None:
    """Put a copy of the cluster `backup` into `data_dir`; where the one it replaces is now.

    `advance` is told of the bytes copied. Raises EmbeddedPostgresError: also if a service is using
    the directory, or if it has a cluster and that is not to be replaced.
    """
    if not (backup / MANIFEST).is_file():
        raise EmbeddedPostgresError(f"{backup.parent} is no backup: it has no {FOLDER}/{MANIFEST}")
    check_release(backup)
    root = data_dir.absolute()
    make_data_dir(root)
    lock = DataDirLock(root)
    lock.take()
    try:
        user = server_user(root)
        cluster = root / FOLDER
        if has_cluster(root) and not replace:
            raise EmbeddedPostgresError(
                f"{root} has a database: use --replace, which keeps that one beside the new one"
            )
        Postmaster(cluster).end_orphan()
        _check(backup)
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=root))
        try:
            _copy(backup, unfinished, advance)
            (unfinished / RECOVERY_SIGNAL).touch(mode=0o600)
            for path in (*unfinished.rglob("*"), unfinished):
                give(path, user)
            # A thousand files, each synced by itself, take as many seconds as this takes moments.
            os.sync()
            return _swap(unfinished, cluster)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    finally:
        lock.release()


def _check(backup: Path) -> None:
    """Compare a copy with its manifest: every file, its size and its checksum, and the WAL."""
    run_program(None, "pg_verifybackup", "--quiet", str(backup), timeout_s=UNBOUNDED)


def _copy(source: Path, target: Path, advance: Callable[[int], object]) -> None:
    def copy_file(here: str, there: str) -> str:
        shutil.copyfile(here, there, follow_symlinks=False)
        shutil.copymode(here, there, follow_symlinks=False)
        advance(Path(there).lstat().st_size)
        return there

    shutil.copytree(source, target, symlinks=True, copy_function=copy_file, dirs_exist_ok=True)


def _swap(unfinished: Path, cluster: Path) -> Path | None:
    former = None
    with suppress(FileNotFoundError):
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        former = cluster.rename(cluster.with_name(f"{cluster.name}.replaced.{stamp}"))
    unfinished.rename(cluster)
    sync_folder(cluster.parent)
    return former


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlive a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
