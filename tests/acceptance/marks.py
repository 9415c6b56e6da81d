"""Marks of acceptance tests."""

import pytest

# For a test that takes long, and meets all there is to meet on a service of two.
TWO_WORKERS = pytest.mark.parametrize(
    "shared_service", [2], ids=["2-workers"], indirect=True, scope="session"
)
