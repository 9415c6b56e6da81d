"""What the machine that runs the tests has: programs from outside, and free ports.

Rule: a program that is missing skips a test on a developer's machine and fails it in CI, which
installs all of them: nothing goes untested unnoticed.
"""

import os
import shutil
import socket

import pytest


def program(name: str, package: str) -> str:
    """The path of a program that comes with a Debian package."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is not None:
        return found
    missing = f"{name} is not here: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
