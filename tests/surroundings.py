"""What the machine that runs the tests has: programs from outside, free ports, small disks.

Rule: a program that is missing skips a test on a developer's machine and fails it in CI, which
installs all of them: nothing goes untested unnoticed.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def program(name: str, package: str) -> str:
    """The path of a program that comes with a Debian package."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        _missing(name, package)
    return found


def library(name: str, package: str) -> str:
    """The path of a shared library that comes with a Debian package, wherever it puts it."""
    found = next(Path("/usr/lib").glob(f"*/{name}"), None)
    if found is None:
        _missing(name, package)
    return str(found)


def _missing(name: str, package: str) -> NoReturn:
    missing = f"{name} is not here: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system in memory of `size` on `folder`; skips where none may be mounted."""
    options = ("-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder))
    mount, umount = program("mount", "mount"), program("umount", "mount")
    done = subprocess.run([mount, *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([umount, "--lazy", str(folder)], check=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
