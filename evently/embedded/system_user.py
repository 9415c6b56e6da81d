"""The user that PostgreSQL runs as, and its access to folders.

Rule: nobody's folders are opened for it. Where the user cannot pass through a folder that it needs,
the start is refused and says what to do. If we are not root, PostgreSQL runs as our own user.
"""

import os
import pwd
import shlex
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from evently.embedded.errors import EmbeddedPostgresError
from evently.embedded.programs import binaries

SYSTEM_USER = "evently_postgres"


def make_data_dir(path: Path) -> None:
    """Create it with mode 0700, or as root 0711: the system user can enter but not list it.

    As root it must be root's own: anybody else could put links into it.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        path.mkdir(parents=True, exist_ok=True)
        owner = path.stat().st_uid
        if owner == os.geteuid():
            path.chmod(mode)
        elif os.geteuid() == 0:
            raise EmbeddedPostgresError(
                f"{path} belongs to another user ({_name_of(owner)}): run the service as that "
                "user, or set EVENTLY_DATA_DIR to a directory of root's own"
            )
    except OSError as error:
        raise EmbeddedPostgresError(
            f"{path} cannot be created ({error.strerror}): "
            "set EVENTLY_DATA_DIR to a directory that this user can write to"
        ) from error


def server_user(data_dir: Path) -> pwd.struct_passwd | None:
    """The user that the server runs as; None for ourselves.

    Raises EmbeddedPostgresError if it has no access to the folders that it needs.
    """
    if os.geteuid() != 0:
        return None
    user = _system_user()
    _open_package()
    _check_way(data_dir, user)
    _check_way(binaries(), user)
    return user


def give(path: Path, user: pwd.struct_passwd | None) -> None:
    """Make `user` the owner of `path`, and never of what a link there leads to."""
    if user is not None:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


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


def _check_way(path: Path, user: pwd.struct_passwd) -> None:
    """Raise EmbeddedPostgresError unless `user` may pass through every directory above `path`."""
    closed = [str(above) for above in path.resolve().parents if not _passes(above, user)]
    if closed:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and its user {user.pw_name} cannot reach {path}: "
            f"run the service as a normal user, or move it out of {closed[-1]}, or let others pass "
            f"through with `chmod o+x {shlex.join(closed)}`, or set EVENTLY_DATABASE_URL"
        )


def _passes(directory: Path, user: pwd.struct_passwd) -> bool:
    found = directory.stat()
    return found.st_uid == user.pw_uid or found.st_mode & stat.S_IXOTH != 0


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
