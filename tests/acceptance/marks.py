"""Marks of acceptance tests."""

import pytest

# For a test that takes long, and meets all there is to meet on a service of two.
TWO_WORKERS = pytest.mark.parametrize(
    "shared_service", [2], ids=["2-workers"], indirect=True, scope="session"
)


# For a test that ends the whole service, which more workers do no otherwise: each start of four
# takes six seconds of the processors.
CLUSTER_OF_2 = pytest.mark.parametrize(
    "workers", [2], ids=["cluster-of-2"], indirect=True, scope="session"
)

# For a test of what any worker knows: among four are those that two are to each other, and others.
CLUSTER_OF_4 = pytest.mark.parametrize(
    "workers", [4], ids=["cluster-of-4"], indirect=True, scope="session"
)
