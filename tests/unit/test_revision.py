"""The shared counter: every bump is seen by everyone, and none is lost."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest

from routes.caches.revision import LocalRevision, Revision, SharedRevision

PROCESSES, BUMPS = 4, 500


@pytest.fixture(params=["local", "shared"])
def revision(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Revision]:
    if request.param == "local":
        yield LocalRevision()
    else:
        shared = SharedRevision(tmp_path / "revision")
        yield shared
        shared.close()


def test_a_bump_makes_another_number(revision: Revision) -> None:
    seen = [revision.current()]
    for _ in range(3):
        revision.bump()
        seen.append(revision.current())
    assert seen == [0, 1, 2, 3]


def test_reading_changes_nothing(revision: Revision) -> None:
    assert revision.current() == revision.current()


def test_the_number_shows_in_the_repr(revision: Revision) -> None:
    revision.bump()
    assert " 1" in repr(revision)


def test_a_bump_is_seen_through_every_map_of_the_file(tmp_path: Path) -> None:
    one, other = SharedRevision(tmp_path / "revision"), SharedRevision(tmp_path / "revision")
    one.bump()
    other.bump()
    assert one.current() == other.current() == 2
    one.close()
    other.close()


def test_the_number_outlives_those_who_counted(tmp_path: Path) -> None:
    first = SharedRevision(tmp_path / "revision")
    first.bump()
    first.close()
    second = SharedRevision(tmp_path / "revision")
    assert second.current() == 1
    second.close()


def test_the_number_wraps_instead_of_overflowing(tmp_path: Path) -> None:
    (tmp_path / "revision").write_bytes(b"\xff" * 8)
    revision = SharedRevision(tmp_path / "revision")
    revision.bump()
    assert revision.current() == 0
    revision.close()


def test_only_the_owner_may_read_or_write_the_file(tmp_path: Path) -> None:
    SharedRevision(tmp_path / "revision").close()
    assert (tmp_path / "revision").stat().st_mode & 0o777 == 0o600


def test_no_bump_is_lost_between_processes(tmp_path: Path) -> None:
    path = tmp_path / "revision"
    revision = SharedRevision(path)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_bump_often, args=(path,)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert revision.current() == PROCESSES * BUMPS
    revision.close()


def _bump_often(path: Path) -> None:
    revision = SharedRevision(path)
    for _ in range(BUMPS):
        revision.bump()
    revision.close()
