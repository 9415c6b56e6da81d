"""A project of its own installs the client from the tree, type-checks strictly, and books.

Rule: the project's environment has nothing of the service. Its other packages are copied from the
environment of the tests, so that nothing is downloaded.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from evently_client import AdminClient
from tests.acceptance.place import Place
from tests.acceptance.service_process import INTERNAL_KEY, ROOT
from tests.acceptance.test_documentation import blocks

PROJECT = '''\
"""Books a seat, and gives it back."""

import asyncio
import sys

from evently_client import (
    EventServiceClient,
    InsufficientSeats,
    PublicClient,
    SeatsMoved,
    SyncEventServiceClient,
    new_key,
)


async def book(url: str, api_key: str, event_id: str) -> SeatsMoved | None:
    async with EventServiceClient(url, api_key) as events, PublicClient(url) as public:
        detail = await public.get_event(event_id)
        print(f"{detail.name} in {detail.venue.city}, {detail.base_price} each")
        event = await events.get_event(event_id)
        try:
            return await events.reserve(event_id, 2, version=event.version, key=new_key())
        except InsufficientSeats as error:
            print(f"only {error.available} left")
            return None


def give_back(url: str, api_key: str, event_id: str, seats: int) -> int:
    with SyncEventServiceClient(url, api_key) as events:
        return events.return_seats(event_id, seats).available_seats


where, who, what = sys.argv[1:]
moved = asyncio.run(book(where, who, what))
if moved is not None:
    print(f"{moved.available_seats} left, then {give_back(where, who, what, 2)}")
'''
# Each line of its function is one that a strict type checker objects to.
SLIPS = """\
from evently_client import EventServiceClient, SyncEventServiceClient


async def slip(events: EventServiceClient, waiting: SyncEventServiceClient) -> None:
    await events.reserve("id", "2")
    await events.reserve("id", 2, version=1.5)
    await events.reserve("id", 2, on_conflict="ignore")
    waiting.reserve("id", seat=2)
    waiting.reserve("id", 2).available
"""


def needed_by(*names: str) -> set[str]:
    """These distributions and all that they need here."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needs = map(Requirement, distribution(name).requires or ())
            waiting += [
                need.name
                for need in needs
                if need.marker is None or need.marker.evaluate({"extra": ""})
            ]
    return found


def copy_into(site: Path, names: Iterable[str]) -> None:
    for name in names:
        for file in distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file.locate(), target)


async def run(*command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the project, with the client installed into its own environment."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "book.py").write_text(PROJECT, encoding="utf-8")
    (folder / "slips.py").write_text(SLIPS, encoding="utf-8")
    for n, example in enumerate(blocks("clients/python/README.md", "python")):
        (folder / f"example_{n}.py").write_text(example, encoding="utf-8")
    shutil.copytree(
        ROOT / "clients" / "python",
        folder / "client",
        ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__"),
    )
    venv.create(folder / ".venv", symlinks=True)
    (site,) = (folder / ".venv").glob("lib/python*/site-packages")
    copy_into(site, needed_by("aiohttp", "setuptools"))
    python = folder / ".venv" / "bin" / "python"
    command = [
        *(sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"),
        *("install", "--quiet", "--no-index", "--no-build-isolation", str(folder / "client")),
    ]
    subprocess.run(command, check=True, timeout=120)
    assert not (site / "evently").exists()
    return folder


async def test_the_project_and_the_examples_are_type_checked_strictly(project: Path) -> None:
    python = str(project / ".venv" / "bin" / "python")
    command = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    examples = [f"example_{n}.py" for n in range(len(blocks("clients/python/README.md", "python")))]
    assert examples
    done = await run(*command, "book.py", "slips.py", *examples, folder=project)
    errors = re.findall(r"^(\S+):(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert {file for file, *_ in errors} == {"slips.py"}, done.stdout
    first = SLIPS.splitlines().index('    await events.reserve("id", "2")') + 1
    assert {int(line) for _, line, _ in errors} == set(range(first, first + 5)), done.stdout
    assert {kind for *_, kind in errors} == {"arg-type", "call-arg", "attr-defined"}


async def test_the_project_books(project: Path, place: Place) -> None:
    assert len([line for line in PROJECT.splitlines() if line.strip()]) <= 33
    start = datetime.now(UTC) + timedelta(days=30)
    async with AdminClient(place.url, place.tokens) as admin:
        event = await admin.create_event(
            name="Night",
            venue_id=place.venue_id,
            event_type="concert",
            start_datetime=start,
            end_datetime=start + timedelta(hours=3),
            total_capacity=3,
            base_price=Decimal("25.50"),
        )
        await admin.publish_event(event.event_id, event.version)
    python = str(project / ".venv" / "bin" / "python")
    command = (python, "book.py", place.url, INTERNAL_KEY, event.event_id)
    done = await run(*command, folder=project)
    said = "Night in Oslo, 25.5 each\n1 left, then 3\n"
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)
