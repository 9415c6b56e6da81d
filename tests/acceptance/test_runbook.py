"""What docs/operations.md tells an operator to do, done as it stands there."""

import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.acceptance.service import Service
from tests.acceptance.service_process import ROOT

RUNBOOK = ROOT / "docs" / "operations.md"


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks in the section of that heading."""
    text = RUNBOOK.read_text(encoding="utf-8")
    (section,) = re.findall(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE
    )
    found: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```", section[1], re.DOTALL | re.MULTILINE
    )
    return found


def follow(service: Service, block: str, backup: Path) -> str:
    """Run each line, with `backup` for the example's path; what the last one printed."""
    said = ""
    for line in block.splitlines():
        evently, *arguments = shlex.split(line)
        assert evently == "evently"
        given = [str(backup) if part == "/backups/today" else part for part in arguments]
        done = service.process.run(*given)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said = done.stdout
    return said


def damage(data_dir: Path) -> None:
    """Overwrite the middle of every large file of the database."""
    files = [path for path in (data_dir / "postgres" / "base").rglob("*") if path.is_file()]
    for path in files:
        size = path.stat().st_size
        if size > 100_000:
            with path.open("r+b") as file:
                file.seek(size // 4)
                file.write(b"damage" * (size // 12))


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    """One that is started and stopped by the test."""
    service = Service(None, 1, data_dir=data_dir)
    yield service
    service.process.discard()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[None]:
    service.process.start()
    async with service.connected():
        yield
    service.process.stop()


async def test_from_a_damaged_database_to_one_that_is_verified(
    service: Service, data_dir: Path
) -> None:
    take, put_back = blocks("The embedded database", "bash")
    backup = data_dir.parent / "backups" / "today"
    async with serving(service):
        event_id = (await service.clients.published_event())["event_id"]
        kept = await service.clients.reserve(event_id, 3, key="kept")
        follow(service, take, backup)
        await service.clients.reserve(event_id, 2, key="lost")
    damage(data_dir)
    assert service.process.run("verify").returncode != 0

    assert "every event equals its ledger" in follow(service, put_back, backup)

    async with serving(service):
        again = await service.clients.reserve(event_id, 3, key="kept", fresh=True)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == kept.json
        sent_again = await service.clients.reserve(event_id, 2, key="lost", version="*")
        assert sent_again.status == 200
        assert "Idempotent-Replayed" not in sent_again.headers
