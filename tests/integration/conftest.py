"""A data directory that has been used before, for tests of what the embedded server does later.

Rule: whoever uses it leaves its server stopped, or killed, and asks nothing of what is in it.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evently.embedded import EmbeddedPostgres


@pytest.fixture(scope="session")
def used_dir() -> Iterator[Path]:
    """A data directory whose cluster is made: that takes a second, a later start a tenth of it."""
    # Not under pytest's folder, whose mode every other run resets to root's own.
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        path = Path(folder) / "data"
        with EmbeddedPostgres(path, durable=False):
            pass
        yield path
