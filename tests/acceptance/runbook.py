"""The runbook, docs/operations.md, to be followed as it stands there."""

import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.acceptance.service import Service
from tests.acceptance.service_process import ROOT

RUNBOOK = ROOT / "docs" / "operations.md"


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks in the section of that heading."""
    text = RUNBOOK.read_text(encoding="utf-8")
    (section,) = re.findall(rf"(?ms)^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text)
    found: list[str] = re.findall(rf"(?ms)^ *```{language}\n(.*?)^ *```", section)
    return found


def follow(service: Service, block: str, example: str, path: Path) -> list[str]:
    """Run each line, with `path` in the place of the `example`; what each printed."""
    said = []
    for line in block.splitlines():
        evently, *arguments = shlex.split(line)
        assert evently == "evently"
        done = service.process.run(*(one.replace(example, str(path)) for one in arguments))
        assert done.returncode == 0, f"{line}: {done.stderr}"
        said.append(done.stdout)
    return said


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[None]:
    """It runs, and is stopped."""
    service.process.start()
    async with service.connected():
        yield
    service.process.stop()
