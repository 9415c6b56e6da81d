"""What several tests need that takes seconds to make: servers, and what servers left behind.

Rule: whoever uses the data directory leaves its server stopped, or killed, and asks nothing of what
is in it; whoever uses the pair makes events of their own.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.migrate import migrate_database
from evently.embedded import EmbeddedPostgres
from tests.standby import ReplicatedPair


@pytest.fixture(scope="session")
def used_dir() -> Iterator[Path]:
    """A data directory whose cluster is made: that takes a second, a later start a tenth of it."""
    # Not under pytest's folder, whose mode every other run resets to root's own.
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "data"
        with EmbeddedPostgres(path, durable=False):
            pass
        yield path


@pytest.fixture(scope="session")
def _replicated_pair() -> Iterator[ReplicatedPair]:
    with tempfile.TemporaryDirectory(prefix="evently-tests-") as folder:
        Path(folder).chmod(0o711)
        with ReplicatedPair(Path(folder)) as pair:
            asyncio.run(migrate_database(pair.dsn))
            yield pair


@pytest.fixture
def pair(_replicated_pair: ReplicatedPair) -> Iterator[ReplicatedPair]:
    """A primary with a synchronous standby, both at work before a test and after it."""
    _replicated_pair.bring_back()
    yield _replicated_pair
    _replicated_pair.bring_back()
