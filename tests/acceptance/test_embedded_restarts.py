"""The embedded PostgreSQL dies under a running service."""

import os
import signal
from pathlib import Path

from tests.acceptance.service import Service, running
from tests.until import until

RESTART_S = 15.0
# Its pauses, and a start after each.
GIVE_UP_S = 40.0
AGAIN_UP = "embedded PostgreSQL: it accepts connections again, after"


def postmaster(data_dir: Path) -> int | None:
    """The process id of the server, once it says that it is ready."""
    try:
        lines = (data_dir / "postgres" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    ready = len(lines) > 7 and lines[7].strip() == "ready"
    return int(lines[0]) if ready else None


def kill(data_dir: Path) -> int:
    pid = postmaster(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


async def kill_and_wait(service: Service, data_dir: Path) -> None:
    """Kill the server; wait until it is back, and known to be: a second end before that is one."""
    seen = service.process.log().count(AGAIN_UP)
    killed = kill(data_dir)
    await until(lambda: postmaster(data_dir) not in {None, killed}, RESTART_S, "another server")
    await until(lambda: service.process.probe("/health/ready") == 200, RESTART_S, "readiness")
    await until(lambda: service.process.log().count(AGAIN_UP) > seen, GIVE_UP_S, "the log's line")


async def test_it_is_restarted_and_sales_go_on(data_dir: Path) -> None:
    with running(Service(None, 2, data_dir=data_dir)) as service:
        async with service.connected():
            event_id = (await service.clients.published_event())["event_id"]
            moved = await service.clients.reserve(event_id, 3, key="before")
            await kill_and_wait(service, data_dir)
            await kill_and_wait(service, data_dir)
            again = await service.clients.reserve(event_id, 3, key="before", fresh=True)
            assert again.json == moved.json
            assert (await service.clients.reserve(event_id, 1, key="after")).status == 200
        died = "embedded PostgreSQL: it died; restarting it in"
        assert service.process.log().count(died) == 2
        service.process.verify()


async def test_one_that_cannot_be_restarted_ends_the_service_with_the_reason(
    data_dir: Path,
) -> None:
    service = Service(None, 1, data_dir=data_dir)
    try:
        service.process.start()
        (data_dir / "postgres" / "pg_hba.conf").write_text("nonsense\n", encoding="utf-8")
        kill(data_dir)
        await until(lambda: service.process.ended is not None, GIVE_UP_S)
        assert service.process.ended == 1
        service.process.assert_gone(within_s=2)
        assert "died 6 times in a row: shutting down" in service.process.log()
        assert "could not load" in service.process.log()
        service.process.assert_no_traceback()
    finally:
        service.process.discard()
