"""What docs/operations.md tells an operator to do, done as it stands there."""

import http
from collections.abc import Iterator
from pathlib import Path

import pytest

from evently.embedded import EmbeddedPostgres
from evently.embedded.programs import run_program
from tests.acceptance.runbook import blocks, follow, serving
from tests.acceptance.service import Service, running
from tests.acceptance.service_api import Answer
from tests.until import until

# What the runbook calls the folder of a backup.
BACKUP = "/backups/today"


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


async def test_from_a_damaged_database_to_one_that_is_verified(
    service: Service, data_dir: Path
) -> None:
    take, put_back = blocks("The embedded database", "bash")
    backup = data_dir.parent / "backups" / "today"
    async with serving(service):
        event_id = (await service.clients.published_event())["event_id"]
        kept = await service.clients.reserve(event_id, 3, key="kept")
        follow(service, take, BACKUP, backup)
        await service.clients.reserve(event_id, 2, key="lost")
    damage(data_dir)
    assert service.process.run("verify").returncode != 0

    assert "every event equals its ledger" in follow(service, put_back, BACKUP, backup)[-1]

    async with serving(service):
        again = await service.clients.reserve(event_id, 3, key="kept", fresh=True)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json == kept.json
        sent_again = await service.clients.reserve(event_id, 2, key="lost", version="*")
        assert sent_again.status == 200
        assert "Idempotent-Replayed" not in sent_again.headers


# Seats, seats of a later and of an earlier version, revenue and capacity, and the status.
TAMPERED = (
    "available_seats = available_seats + 5",
    "available_seats = available_seats + 5, version = version + 3",
    "available_seats = 100, version = 2",
    "revenue = 1, total_capacity = total_capacity + 10",
    "status = 'cancelled'",
)


async def test_from_an_event_that_differs_to_one_that_equals_its_ledger(
    database_url: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with running(Service(database_url, 2)) as service:
        async with service.connected():
            for change in TAMPERED:
                await tamper_and_repair(service, postgres, tmp_path, change)
        service.process.verify()


async def tamper_and_repair(
    service: Service, postgres: EmbeddedPostgres, folder: Path, change: str
) -> None:
    """Change an event's row by hand, and repair it as the runbook says."""
    pause, repair = blocks("An event that differs from its ledger", "sql")
    event_id = (await service.clients.published_event(total_capacity=100))["event_id"]
    for key in "ab":
        assert (await service.clients.reserve(event_id, 3, key=key)).status == 200
    url = service.database.url
    assert url is not None
    name = url.partition("?")[0].rpartition("/")[2]
    postgres.psql(f"UPDATE events SET {change} WHERE event_id = '{event_id}'", name)
    asked = ("verify", "--event", event_id)
    assert service.process.run(*asked).returncode == 1, change

    recipe = (pause + repair).replace("0b8f7a0e-3d5c-4f6e-9a55-0d6c1c7e1f10", event_id)
    script = folder / "recipe.sql"
    script.write_text(recipe, encoding="utf-8")
    psql = ("--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(script))
    run_program(None, "psql", *psql)

    assert service.process.run(*asked).returncode == 0, change
    sold = await until_sold(service, event_id)
    assert sold.json["available_seats"] == 93, change
    last = postgres.psql(
        "SELECT caller, changes->>'correction' FROM event_ledger"
        f" WHERE event_id = '{event_id}' AND kind = 'updated' LIMIT 1",
        name,
    )
    assert last.strip() == "operator:ada|the row was changed by hand"


async def until_sold(service: Service, event_id: str) -> Answer:
    """One seat, which a node that has not seen the correction yet may refuse for a moment."""
    found: list[Answer] = []

    async def sold() -> bool:
        found.append(await service.clients.reserve(event_id, 1))
        return found[-1].status == http.HTTPStatus.OK

    await until(sold, 5.0, "a sale after the correction")
    return found[-1]
