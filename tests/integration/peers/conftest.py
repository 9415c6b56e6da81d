"""Three workers on a database of the test's own."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.integration.peers.cluster import Cluster


@pytest.fixture
async def cluster(database_url: str) -> AsyncIterator[Cluster]:
    # A Unix socket's path must be short, which pytest's own folders are not.
    with tempfile.TemporaryDirectory(prefix="evently-") as folder:
        async with AsyncExitStack() as stack:
            cluster = Cluster(database_url, Path(folder), stack)
            await cluster.start()
            yield cluster
