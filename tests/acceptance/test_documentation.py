"""What the README and docs/ show, run as it stands there against a running service.

Rule: only the address, the key and the event are put in, since they are a machine's own.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.marks import TWO_WORKERS
from tests.acceptance.service import Service
from tests.acceptance.service_process import INTERNAL_KEY, ROOT


def blocks(path: str, language: str) -> list[str]:
    """The code blocks of a page."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


async def run(*command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command that finds our packages, and nothing else of the environment."""
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@TWO_WORKERS
async def test_the_readme_s_curl_lines_work_as_pasted(service: Service, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    await service.clients.published_event(event_type="concert")
    (pasted,) = blocks("README.md", "bash")
    pasted = re.sub(r"^URL=.*$", f"URL={service.process.url}", pasted, flags=re.MULTILINE)
    pasted = re.sub(r"^KEY=.*$", f"KEY={INTERNAL_KEY}", pasted, flags=re.MULTILINE)

    # A second time she is registered already.
    for _ in range(2):
        done = await run("/bin/bash", "-euo", "pipefail", "-c", pasted, folder=tmp_path)

        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        check(done.stdout)


def check(printed: str) -> None:
    """That these are the answers that the README is about."""
    listed, left, published, reserved, returned = map(json.loads, printed.splitlines())
    assert listed["events"][0]["event_type"] == "concert"
    # Whatever event is the first on sale; other tests may have sold it out.
    assert list(left)[:3] == ["available_seats", "status", "last_updated"]
    assert (published["status"], published["version"]) == ("published", 2)
    assert (reserved["available_seats"], reserved["version"]) == (298, 3)
    assert (returned["available_seats"], returned["version"]) == (299, 4)


@TWO_WORKERS
async def test_the_documented_booking_service_books(service: Service, tmp_path: Path) -> None:
    (example,) = blocks("docs/api.md", "python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    file = tmp_path / "book.py"
    file.write_text(example, encoding="utf-8")
    event_id = (await service.clients.published_event(total_capacity=3))["event_id"]

    command = (sys.executable, str(file), service.process.url, INTERNAL_KEY, event_id)
    said = [await run(*command, folder=tmp_path) for _ in range(2)]

    assert [done.stderr for done in said] == ["", ""]
    assert [done.stdout for done in said] == ["booked, 1 left at version 3\n", "only 1 left\n"]
