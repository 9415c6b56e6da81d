"""The user that PostgreSQL runs as, and its access to folders.

Rule: the user gets access to pass through the folders that it needs, and to list none of them. If
we are not root, PostgreSQL runs as our own user and nothing is changed.
"""

import logging
import os
import pwd
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from evently.embedded.errors import EmbeddedPostgresError
from evently.embedded.programs import binaries

log = logging.getLogger(__name__)

SYSTEM_USER = "evently_postgres"


def make_data_dir(path: Path) -> None:
    """Create it with mode 0700, or as root 0711: the system user can enter but not list it."""
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(mode)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{path} cannot be created ({error.strerror}): "
            "set EVENTLY_DATA_DIR to a directory that this user can write to"
        ) from error


def server_user(data_dir: Path) -> pwd.struct_passwd | None:
    """The user that the server runs as, with access to its folders; None for ourselves."""
    if os.geteuid() != 0:
        return None
    user = _system_user()
    _open_package()
    _open_way(data_dir, user)
    _open_way(binaries(), user)
    return user


def give(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make `user` the owner of `path`."""
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid)


def _system_user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
    made = useradd is not None and subprocess.run(  # noqa: S603 - our own program and arguments
        [useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
        capture_output=True,
        check=False,
    )
    # Two services that start at once may both try; one of them succeeds.
    with suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER)
    reason = made.stderr.decode(errors="replace").strip() if made else "there is no useradd"
    raise EmbeddedPostgresError(
        f"PostgreSQL does not run as root, and its system user {SYSTEM_USER} cannot be created "
        f"({reason}): run the service as a normal user, or set EVENTLY_DATABASE_URL"
    )


def _open_way(path: Path, user: pwd.struct_passwd) -> None:
    """Let `user` pass through the directories above `path`, without listing them.

    Only root's own are opened (a repository under /root, or under `mktemp -d`), and the log says
    which; another user's home directory is not ours to open.
    """
    for directory in path.resolve().parents:
        found = directory.stat()
        if found.st_mode & stat.S_IXOTH or found.st_uid == user.pw_uid:
            continue
        if found.st_uid != 0:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and its user {user.pw_name} has no access "
                f"to {directory}: run the service as the owner of that directory, or set "
                "EVENTLY_DATABASE_URL"
            )
        log.warning("embedded PostgreSQL: chmod o+x %s, to give its user access", directory)
        directory.chmod(stat.S_IMODE(found.st_mode) | stat.S_IXOTH)


def _open_package() -> None:
    """Let everybody run the binaries: a strict umask at install time keeps them for root."""
    everybody = stat.S_IROTH | stat.S_IXOTH
    package = binaries().parent.parent
    if (binaries() / "postgres").stat().st_mode & everybody == everybody:
        return
    for top in (package, package.with_name(f"{package.name}.libs")):
        for path in (top, *top.rglob("*")):
            found = path.stat()
            runs = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
            mode = stat.S_IROTH | (stat.S_IXOTH if runs else 0)
            path.chmod(stat.S_IMODE(found.st_mode) | mode)
