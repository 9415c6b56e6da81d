"""Plays what the OpenAPI document allows, and what it does not, against a running service.

Rule: the document is the only source of what is sent and of what may come back. Schemathesis runs
as a program of its own, so that its warnings and its plugins are not this suite's.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from evently.embedded import EmbeddedPostgres
from tests.acceptance.service import Service, running
from tests.acceptance.service_process import ROOT

CONFIG = Path(__file__).with_name("schemathesis.toml")
# It takes half a minute on an idle machine; one that takes longer than this hangs.
RUN_S = 600.0
# Of these, whose every answer is logged, one at least must have done what it was asked.
CHANGES = (
    ("POST", "/api/v1/auth/admin/register"),
    ("POST", "/api/v1/auth/admin/login"),
    ("POST", "/api/v1/admin/events"),
    ("PUT", "/api/v1/admin/events/{event_id}"),
    ("GET", "/api/v1/admin/events/{event_id}/analytics"),
    ("POST", "/api/v1/admin/venues"),
    ("PUT", "/api/v1/admin/venues/{venue_id}"),
)


@pytest.fixture
def fuzzed(postgres: EmbeddedPostgres, template: str) -> Iterator[Service]:
    """A service of its own: what is played against it is not undone."""
    name = f"fuzzed_{uuid4().hex}"
    postgres.create_database(name, template)
    with running(Service(postgres.dsn(name), 2)) as service:
        yield service
        service.process.verify()
    postgres.drop_database(name)


async def named(service: Service) -> dict[str, str]:
    """What the configuration names: events with their venue, and who may call."""
    async with service.connected():
        path, names = "/api/v1/auth/admin/register", ("ada", "grace", "bob")
        body = {"password": "correct horse battery", "name": "Ada"}
        # Ada logs in, as in the document's example, Grace calls, and Bob is deactivated. One admin
        # would be locked out by wrong passwords, and then nothing would come through.
        _, caller, kept_out = [
            (
                await service.api.call("POST", path, body=body | {"email": f"{name}@example.org"})
            ).json
            for name in names
        ]
        await service.clients.admin()
        await service.database.rows("UPDATE admins SET role = 'super_admin'")
        event, other = [await service.clients.published_event() for _ in range(2)]
    return {
        "ACCESS_TOKEN": caller["access_token"],
        "OTHER_ADMIN_ID": kept_out["admin_id"],
        "EMAIL": "ada@example.org",
        "PASSWORD": body["password"],
        "INTERNAL_KEY": service.api.internal_key,
        "EVENT_ID": event["event_id"],
        "OTHER_EVENT_ID": other["event_id"],
        "VENUE_ID": event["venue_id"],
        "KEYS": ", ".join(f'"{uuid4()}"' for _ in range(500)),
    }


def test_what_is_played_against_the_document_is_answered_as_it_says(
    fuzzed: Service, tmp_path: Path
) -> None:
    config = CONFIG.read_text(encoding="utf-8")
    for name, value in asyncio.run(named(fuzzed)).items():
        config = config.replace(f"${{{name}}}", value)
    filled = tmp_path / CONFIG.name
    filled.write_text(config, encoding="utf-8")
    seen = len(fuzzed.process.log())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(filled), "run"),
            *("--no-color", f"{fuzzed.process.url}/openapi.json"),
        ],
        cwd=tmp_path,
        # It looks through all of this for proxies, four times for each of 4000 requests.
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fuzzed.process.assert_no_traceback()
    # What was played must have come through, or it showed nothing.
    log = fuzzed.process.log()[seen:]
    assert not re.search(r" status=50[0-24-9] ", log)
    for method, path in CHANGES:
        assert re.search(rf"method={method} route={re.escape(path)} status=20[01] ", log), path
