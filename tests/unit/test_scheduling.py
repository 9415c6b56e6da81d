"""Which tests share a process with which others."""

import pytest

from tests.scheduling import group_of

STATE, WORKERS = "tests/acceptance/test_state.py", "tests/acceptance/test_workers.py"


@pytest.mark.parametrize(
    ("test", "group"),
    [
        (f"{STATE}::test_a_move[1-worker]", "1-worker"),
        (f"{STATE}::test_a_move[2-workers-draft]", "2-workers"),
        (f"{STATE}::test_a_move[draft-2-workers]", "2-workers"),
        (f"{WORKERS}::test_a_kill[cluster-of-4-0.8]", "cluster-of-4"),
        ("tests/integration/test_standby.py::test_a_commit[ask]", "pair"),
        ("tests/integration/test_readiness.py::test_it", "pair"),
        ("tests/integration/test_embedded.py::test_it", "integration/test_embedded"),
        ("tests/integration/test_embedded_surroundings.py::test_it", "integration/test_embedded"),
        ("tests/integration/test_backup.py::test_it[seed]", "integration/test_backup"),
        ("tests/acceptance/test_client_install.py::test_it_books", "acceptance/test_client_"),
        ("tests/acceptance/test_client_contract.py::test_it[fake]", "acceptance/test_client_"),
        ("tests/browser/test_events.py::test_it", "events_lists_blocks"),
        ("tests/browser/test_lists.py::test_it[dark]", "events_lists_blocks"),
        ("tests/browser/test_sessions.py::test_it", "tests/browser/"),
        ("tests/browser/test_of_tomorrow.py::test_it", "tests/browser/"),
    ],
)
def test_what_shares_a_service_shares_a_process(test: str, group: str) -> None:
    assert group_of(test) == group


@pytest.mark.parametrize(
    "test",
    [
        f"{STATE}::test_without_parameters",
        f"{STATE}::test_with_others[12-workers]",
        "tests/unit/test_ring.py::test_every_worker_gets_its_share[16]",
    ],
)
def test_every_other_test_goes_wherever_there_is_room(test: str) -> None:
    assert group_of(test) == test
